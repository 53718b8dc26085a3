"""The vault (明文保险库): clear values outside lake and warehouse, for an authorised purpose only."""

from ingestion.vault.vault import Vault, VaultRefused

__all__ = ["Vault", "VaultRefused"]
