"""Simulated ZKTeco terminals on real sockets, for tests, demonstrations and benchmarks."""

from zkbridge.simulator.behaviour import PANEL_GREETING, Behaviour
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.records import SimulatedOperation, SimulatedPunch, SimulatedUser
from zkbridge.simulator.server import Received
from zkbridge.simulator.simulated import SimulatedTerminal

__all__ = [
    "PANEL_GREETING",
    "Behaviour",
    "Hub",
    "Received",
    "SimulatedOperation",
    "SimulatedPunch",
    "SimulatedTerminal",
    "SimulatedUser",
]
