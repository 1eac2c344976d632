"""Live events on the same connection as everything else."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.zk.conftest import device, punches
from zkbridge.simulator import SimulatedTerminal
from zkbridge.simulator import faults as f
from zkbridge.zk import (
    Frame,
    LiveAlarm,
    LiveEnroll,
    LiveOther,
    LivePunch,
    LiveVerify,
    ZKDevice,
    ZKUnreachable,
)
from zkbridge.zk.live import decode_event
from zkbridge.zk.opcodes import CMD_GET_TIME, CMD_REG_EVENT
from zkbridge.zk.transport import TransportKind


@pytest.fixture
def listening(terminal: SimulatedTerminal, kind: TransportKind) -> Iterator[ZKDevice]:
    """A client that registered for events."""
    with device(terminal, kind) as client:
        client.register_events()
        assert terminal.wait_for(lambda: terminal.registered == 1)
        yield client


def test_each_kind_of_event_arrives_in_order(
    terminal: SimulatedTerminal, listening: ZKDevice
) -> None:
    terminal.punch("1003", verify=15, state=1)
    terminal.alarm(55)
    terminal.alarm(32, 7)
    terminal.verify(None)
    terminal.enroll_finger(0, 600, "1003", 4)
    terminal.event(2, b"")
    events = []
    for _ in range(6):
        event = listening.next_event(5)
        listening.acknowledge()
        events.append(event)
    punch, tamper, duress, unknown, enrolled, finger = events
    assert isinstance(punch, LivePunch)
    assert (punch.user_id, punch.status, punch.punch) == ("1003", 15, 1)
    assert isinstance(tamper, LiveAlarm)
    assert (tamper.kind, tamper.alarm) == ("tamper", 55)
    assert isinstance(duress, LiveAlarm)
    assert (duress.kind, duress.uid) == ("duress", 7)
    assert isinstance(unknown, LiveVerify)
    assert unknown.identified is False
    assert isinstance(enrolled, LiveEnroll)
    assert (enrolled.user_id, enrolled.finger) == ("1003", 4)
    assert isinstance(finger, LiveOther)
    assert finger.code == 2
    assert terminal.wait_for(lambda: terminal.acknowledged == 6)


def test_live_and_logged_copy_of_a_punch_agree(
    terminal: SimulatedTerminal, listening: ZKDevice
) -> None:
    terminal.punch("1003", verify=15, state=1)
    live = listening.next_event(5)
    (logged,) = listening.attendance()
    assert isinstance(live, LivePunch)
    assert (live.user_id, live.raw_time, live.timestamp, live.status, live.punch) == (
        logged.user_id,
        logged.raw_time,
        logged.timestamp,
        logged.status,
        logged.punch,
    )


@pytest.mark.parametrize("size", [10, 12, 14, 32, 36, 37, 52])
def test_every_length_of_a_punch_is_understood(size: int) -> None:
    with SimulatedTerminal(event_size=size) as terminal, device(terminal) as client:
        terminal.add_user("7", uid=7)
        client.register_events()
        terminal.punch("7", verify=1, state=4)
        event = client.next_event(5)
    assert isinstance(event, LivePunch)
    assert (event.user_id, event.status, event.punch) == ("7", 1, 4)
    assert event.uid_only is (size in {10, 14})


@pytest.mark.parametrize("size", [0, 1, 9, 11, 13, 31])
def test_punch_of_unknown_length_is_kept_raw(size: int) -> None:
    event = decode_event(Frame(CMD_REG_EVENT, 1, 0, bytes(size)))
    assert isinstance(event, LiveOther)
    assert event.raw == bytes(size)


def test_event_is_acknowledged_once_the_caller_has_taken_it(
    terminal: SimulatedTerminal, kind: TransportKind
) -> None:
    with device(terminal, kind) as client, closing(client.live_events()) as events:  # type: ignore[type-var]  # it is a generator
        timer = threading.Timer(0.05, lambda: [terminal.punch("1001"), terminal.punch("1002")])
        timer.start()
        next(events)
        timer.join()
        assert terminal.acknowledged == 0
        next(events)
        assert terminal.wait_for(lambda: terminal.acknowledged == 1)
        events.close()  # type: ignore[attr-defined]  # it is a generator
        assert terminal.wait_for(lambda: terminal.acknowledged == 2)
        assert terminal.registered == 0


def test_commands_and_events_share_a_connection(
    terminal: SimulatedTerminal, listening: ZKDevice
) -> None:
    terminal.load_punches(punches(3000))
    stop = threading.Event()
    sent = []

    def keep_punching() -> None:
        while not stop.wait(0.002):
            terminal.punch("1001", logged=False)
            sent.append(1)

    thread = threading.Thread(target=keep_punching, name="puncher")
    thread.start()
    try:
        for _ in range(5):
            assert len(list(listening.attendance())) == 3000
            assert listening.clock() is not None
    finally:
        stop.set()
        thread.join()
    taken = 0
    while taken < len(sent):
        assert isinstance(listening.next_event(5), LivePunch)
        listening.acknowledge()
        taken += 1
    assert listening.next_event(0.05) is None


def test_wait_ends_at_its_time_and_when_woken(
    terminal: SimulatedTerminal, listening: ZKDevice
) -> None:
    assert listening.next_event(0.01) is None
    reader, writer = os.pipe()
    try:
        timer = threading.Timer(0.05, lambda: os.write(writer, b"!"))
        timer.start()
        assert listening.next_event(60, wake=reader) is None
        timer.join()
    finally:
        os.close(reader)
        os.close(writer)


def test_dead_peer_is_noticed_by_asking_it_for_its_time(
    terminal: SimulatedTerminal, kind: TransportKind
) -> None:
    with device(terminal, kind, timeout=0.3) as client:
        client.register_events()
        client.keep_alive_s = 0.1
        assert client.next_event(0.35) is None
        assert terminal.requests[CMD_GET_TIME] >= 1
        terminal.inject(f.Hang())
        with pytest.raises(ZKUnreachable):
            client.next_event(30)


def test_silence_of_a_minute_is_never_waited_for(terminal: SimulatedTerminal) -> None:
    with device(terminal, timeout=120) as client:
        transport = client.transport
        assert client.keep_alive_s + 12 < 60
        assert transport.budget_s is None


def test_closed_connection_ends_the_wait(
    terminal: SimulatedTerminal,
) -> None:
    with device(terminal) as client:
        events = client.live_events()
        timer = threading.Timer(0.1, terminal.drop_connections)
        timer.start()
        with pytest.raises(ZKUnreachable):
            next(events)
        timer.join()
