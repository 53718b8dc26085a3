"""The vault (明文保险库): clear values outside lake and warehouse, for an authorised purpose only."""

from ingestion.vault.opening import Vault
from ingestion.vault.store import VaultRefused

__all__ = ["Vault", "VaultRefused"]
