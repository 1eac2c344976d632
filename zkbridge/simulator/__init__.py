"""Simulated ZKTeco terminals on real sockets, for tests, demonstrations and benchmarks.

One terminal in a test: ``with SimulatedTerminal(comm_key=7) as terminal: ...``. Several with
people who punch: ``with simulate(2, port=0, punch_every_s=1) as fleet: ...``. What can go wrong
is in ``zkbridge.simulator.faults``, how firmware differs in :class:`Behaviour`.
"""

from zkbridge.simulator.behaviour import PANEL_GREETING, Behaviour
from zkbridge.simulator.fleet import Fleet, simulate
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.listening import ListeningTerminal
from zkbridge.simulator.recording import (
    RecordedPacket,
    Recording,
    RecordingError,
    RecordingWriter,
    read_recording,
    write_recording,
)
from zkbridge.simulator.records import (
    SimulatedOperation,
    SimulatedPunch,
    SimulatedUser,
    pack_impossible_time,
    pack_time,
)
from zkbridge.simulator.replay import ReplayedTerminal
from zkbridge.simulator.server import Received
from zkbridge.simulator.simulated import SimulatedTerminal

__all__ = [
    "PANEL_GREETING",
    "Behaviour",
    "Fleet",
    "Hub",
    "ListeningTerminal",
    "Received",
    "RecordedPacket",
    "Recording",
    "RecordingError",
    "RecordingWriter",
    "ReplayedTerminal",
    "SimulatedOperation",
    "SimulatedPunch",
    "SimulatedTerminal",
    "SimulatedUser",
    "pack_impossible_time",
    "pack_time",
    "read_recording",
    "simulate",
    "write_recording",
]
