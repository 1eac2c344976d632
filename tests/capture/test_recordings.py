"""Whole sessions: nobody is in the recording, and it still is the same terminal."""

from typing import Any

import pytest

from tests.capture.crowd import (
    PEOPLE,
    PUNCHES,
    contents,
    crowd,
    found,
    live_session,
    original,
    recorded,
    replayed,
)
from zkbridge.capture import anonymised
from zkbridge.simulator import RecordedPacket
from zkbridge.simulator.faults import Doubled, EventBetween, Lost, Reordered
from zkbridge.zk import Attendance, LivePunch
from zkbridge.zk.framing import checksum_valid, parse_packet
from zkbridge.zk.live import decode_event
from zkbridge.zk.opcodes import CMD_READ_BUFFER, CMD_REG_EVENT
from zkbridge.zk.transport import TransportKind

TERMINALS = [
    pytest.param({"punch_size": size, "user_size": users}, kind, id=f"{size}-{users}-{kind}")
    for size, users in ((40, 72), (49, 72), (16, 28), (8, 28), (40, 28), (16, 72))
    for kind in ("tcp", "udp")
] + [
    pytest.param({"inline_limit": 100_000}, "tcp", id="inline"),
    pytest.param({"inline_limit": 0}, "tcp", id="nothing-inline"),
    pytest.param({"streaming": True}, "tcp", id="streaming"),
    pytest.param({"max_data_tcp": 1000}, "tcp", id="many-frames-per-chunk"),
    pytest.param({"max_data_tcp": 37}, "tcp", id="frames-that-cut-records"),
    pytest.param({"index_restarts": False}, "udp", id="running-packet-index"),
    pytest.param({"bare_chunks": True}, "tcp", id="bare-chunks"),
    pytest.param({"counts": "zero"}, "tcp", id="no-counts"),
]


@pytest.mark.parametrize(("behaviour", "kind"), TERMINALS)
def test_nobody_is_in_a_recording(behaviour: dict[str, Any], kind: TransportKind) -> None:
    with crowd(transport=kind, **behaviour) as terminal:
        plain = original(terminal, kind)
        recording = recorded(terminal, kind)

    assert len(found(tuple(plain))) > len(PEOPLE), "the search finds nobody where they are"
    assert found(recording.packets) == []


@pytest.mark.parametrize(("behaviour", "kind"), TERMINALS)
def test_a_recording_replays_to_the_same_counts_and_times(
    behaviour: dict[str, Any], kind: TransportKind
) -> None:
    with crowd(transport=kind, **behaviour) as terminal:
        recording = recorded(terminal, kind)
        before = contents(terminal.port, kind)

    after = replayed(recording)

    assert [user.uid for user in after.users] == [user.uid for user in before.users]
    assert len({user.user_id for user in after.users}) == len(PEOPLE)
    assert len(after.punches) == PUNCHES
    assert [_times(punch) for punch in after.punches] == [_times(punch) for punch in before.punches]
    assert [(one.op, one.timestamp, one.admin_uid) for one in after.operations] == [
        (one.op, one.timestamp, one.admin_uid) for one in before.operations
    ]
    renamed = {
        _bare(old.user_id): _bare(new.user_id)
        for old, new in zip(before.users, after.users, strict=True)
    }
    assert [renamed[_bare(punch.user_id)] for punch in before.punches] == [
        _bare(punch.user_id) for punch in after.punches
    ]


def _bare(user_id: str) -> str:
    # Layouts that store numbers drop leading zeros.
    return user_id.lstrip("0")


def _times(punch: Attendance) -> tuple[object, ...]:
    return punch.timestamp, punch.raw_time, punch.status, punch.punch


@pytest.mark.parametrize(("behaviour", "kind"), TERMINALS)
def test_every_packet_keeps_its_length_and_kind(
    behaviour: dict[str, Any], kind: TransportKind
) -> None:
    with crowd(transport=kind, **behaviour) as terminal:
        plain = original(terminal, kind)

    changed = anonymised(plain)

    assert [_shape(one.packet) for one in changed] == [_shape(one.packet) for one in plain]
    assert [(one.direction, one.at_s) for one in changed] == [
        (one.direction, one.at_s) for one in plain
    ]
    assert all(checksum_valid(one.packet) for one in changed)


def _shape(packet: bytes) -> tuple[int, int, int, int]:
    frame = parse_packet(packet)
    return len(packet), frame.cmd, frame.session, frame.reply


@pytest.mark.parametrize(
    "fault", [Doubled(), Lost((1,)), Reordered(1, 2)], ids=lambda f: type(f).__name__
)
def test_nobody_is_in_a_recording_of_a_bad_line(fault: Any) -> None:  # noqa: ANN401  any of them
    with crowd(transport="udp") as terminal:
        terminal.inject(fault, CMD_READ_BUFFER, times=3)
        recording = recorded(terminal, "udp")

    assert found(recording.packets) == []


def test_an_event_inside_a_table_betrays_nobody_and_tears_nothing() -> None:
    payload = next(iter(PEOPLE)).encode().ljust(24, b"\0") + bytes((1, 0, 26, 1, 5, 8, 0, 0))
    with crowd(max_data_tcp=1000) as terminal:
        terminal.inject(EventBetween(1, payload), CMD_READ_BUFFER, times=2)
        recording = recorded(terminal)

    assert found(recording.packets) == []
    assert len(replayed(recording).punches) == PUNCHES


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("size", [10, 12, 14, 32, 36, 37, 52])
def test_a_live_punch_stays_one_of_somebody_else(size: int, kind: TransportKind) -> None:
    user_id = next(iter(PEOPLE))
    with crowd(transport=kind, event_size=size) as terminal:
        plain, event = live_session(terminal, lambda: terminal.punch(user_id, 4, 1), kind)

    changed = anonymised(plain)

    assert found(tuple(changed)) == []
    before = [one for one in plain if parse_packet(one.packet).cmd == CMD_REG_EVENT]
    after = [one for one in changed if parse_packet(one.packet).cmd == CMD_REG_EVENT]
    assert [len(one.packet) for one in after] == [len(one.packet) for one in before]
    with_replay = _first_event(tuple(changed))
    assert isinstance(event, LivePunch)
    assert isinstance(with_replay, LivePunch)
    assert (with_replay.timestamp, with_replay.status, with_replay.punch) == (
        event.timestamp,
        event.status,
        event.punch,
    )


def _first_event(packets: tuple[RecordedPacket, ...]) -> object:
    frames = [parse_packet(one.packet) for one in packets if one.direction == "<"]
    return decode_event(
        next(frame for frame in frames if frame.cmd == CMD_REG_EVENT and frame.data)
    )
