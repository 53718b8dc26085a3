"""Wiring only: when each stage runs, and on what it waits."""
