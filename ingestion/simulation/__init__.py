"""A deterministic simulated group: one hidden world of customers and loans, five parties that deliver it day by day."""

from ingestion.simulation.delivering import deliver
from ingestion.simulation.horizon import GO_LIVE
from ingestion.simulation.simulation import SimulationInvalid, SimulationReport, simulate
from ingestion.simulation.world import World, build_world

__all__ = ["GO_LIVE", "SimulationInvalid", "SimulationReport", "World", "build_world", "deliver", "simulate"]
