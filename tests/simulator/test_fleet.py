"""Fleets: several terminals with people, working days and live punches."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from struct import pack, unpack_from

import pytest

from tests.simulator.raw import PATIENCE_S, PUNCHES, USERS, RawClient
from zkbridge.simulator import (
    RecordedPacket,
    Recording,
    SimulatedPunch,
    SimulatedTerminal,
    pack_time,
    simulate,
    write_recording,
)
from zkbridge.zk.framing import build_packet

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def test_fleet_has_people_and_past_working_days() -> None:
    with simulate(2, port=0, users=30, punches=500, timezone="UTC", clock=lambda: NOW) as fleet:
        blobs = []
        for terminal in fleet.terminals:
            with RawClient(terminal) as client:
                client.connect()
                blobs.append(client.table(PUNCHES))
                assert len(client.table(USERS)) == 4 + 30 * 72

    for blob in blobs:
        times = [unpack_from("<I", blob, 4 + at + 27)[0] for at in range(0, len(blob) - 4, 40)]
        assert len(times) == 500
        assert times == sorted(times)
        assert times[-1] <= pack_time(NOW.replace(tzinfo=None))
    assert blobs[0] != blobs[1]


def test_names_are_of_many_scripts() -> None:
    with simulate(port=0, users=25, punches=0) as fleet:
        (terminal,) = fleet.terminals
        assert isinstance(terminal, SimulatedTerminal)
        names = [user.name for user in terminal.users.values()]

    assert len(set(names)) == 25
    assert sum(not name.isascii() for name in names) >= 10
    assert all(len(name.encode()) <= 23 for name in names)  # what 72-byte records hold


def test_terminals_tell_themselves_apart() -> None:
    with simulate(3, port=0, users=1, punches=0) as fleet:
        for option in ("~SerialNumber", "MAC", "DeviceID"):
            values = {
                one.option(option) for one in fleet.terminals if isinstance(one, SimulatedTerminal)
            }
            assert len(values) == 3


def test_same_seed_invents_the_same() -> None:
    logs = []
    for _ in range(2):
        with simulate(port=0, punches=50, clock=lambda: NOW, timezone="UTC") as fleet:
            (terminal,) = fleet.terminals
            assert isinstance(terminal, SimulatedTerminal)
            logs.append(terminal.punch_bytes)

    assert logs[0] == logs[1]


def test_people_punch_while_it_runs() -> None:
    seen: list[SimulatedPunch] = []
    enough = threading.Event()

    def note(_terminal: SimulatedTerminal, punch: SimulatedPunch) -> None:
        seen.append(punch)
        if len(seen) >= 5:
            enough.set()

    with simulate(2, port=0, users=5, punches=0, punch_every_s=0.01, on_punch=note) as fleet:
        assert enough.wait(PATIENCE_S)
        with RawClient(fleet.terminals[0]) as client:
            client.connect()
            client.ask(500, pack("<I", 1))
            assert client.receive().cmd == 500


def test_somebody_can_be_asked_to_punch() -> None:
    with simulate(port=0, users=1, punches=0) as fleet:
        punch = fleet.punch()
        (terminal,) = fleet.terminals
        assert isinstance(terminal, SimulatedTerminal)
        assert punch is not None
        assert terminal.punch_count == 1
    with simulate(port=0, users=0, punches=0) as empty:
        assert empty.punch() is None


def test_key_latency_and_layout_reach_the_terminals() -> None:
    with (
        simulate(port=0, users=1, punches=10, comm_key=42, punch_size=16) as fleet,
        RawClient(fleet.terminals[0]) as client,
    ):
        assert client.connect(42).cmd == 2000
        assert len(client.table(PUNCHES)) == 4 + 160


def test_recording_is_served(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    packets = (
        RecordedPacket(">", build_packet(1000, b"", 0, 0)),
        RecordedPacket("<", build_packet(2000, b"", 77, 0)),
    )
    write_recording(path, Recording(packets))

    with simulate(port=0, replay=path) as fleet, RawClient(fleet.terminals[0]) as client:
        assert client.connect().session == 77


def test_taken_port_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with SimulatedTerminal() as taken:
        with pytest.raises(OSError, match="in use"):
            simulate(port=taken.port, users=1, punches=0)
        assert threading.active_count() == before + 1


def test_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        simulate(port=0, timezone="Nowhere/Land")


def test_nobody_punches_twice_within_a_second() -> None:
    with simulate(2, port=0, users=3, punches=0, clock=lambda: NOW) as fleet:
        punches = [fleet.punch() for _ in range(7)]

    assert punches[6] is None
    assert sorted(one.user_id for one in punches if one) == [
        "1001",
        "1001",
        "1002",
        "1002",
        "1003",
        "1003",
    ]


def test_ports_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="ports"):
        simulate(3, port=65534)


def test_large_logs_leave_room_for_more() -> None:
    with simulate(port=0, users=100, punches=150_000, timezone="UTC", clock=lambda: NOW) as fleet:
        (terminal,) = fleet.terminals
        assert isinstance(terminal, SimulatedTerminal)
        assert terminal.punch_count == 150_000
        assert terminal.behaviour.punch_capacity == 300_000
