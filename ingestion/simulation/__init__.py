"""A deterministic simulated group: one hidden world, delivered day by day by departments and partners."""

from ingestion.simulation.delivering import deliver
from ingestion.simulation.description import GroupDescription, describe_group
from ingestion.simulation.group import SimulationInvalid, SimulationReport, delivered_days, simulate
from ingestion.simulation.horizon import GO_LIVE
from ingestion.simulation.world import World, build_world

__all__ = [
    "GO_LIVE",
    "GroupDescription",
    "SimulationInvalid",
    "SimulationReport",
    "World",
    "build_world",
    "deliver",
    "delivered_days",
    "describe_group",
    "simulate",
]
