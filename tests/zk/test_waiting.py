"""Waiting for sockets: with poll, with select, woken, and given up."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.zk.conftest import device
from zkbridge.simulator import SimulatedTerminal
from zkbridge.zk import ZKUnreachable
from zkbridge.zk.waiting import Alarm, Ready, give_up_soon, polled, selected
from zkbridge.zk.wire import TcpWire

Pair = tuple[socket.socket, socket.socket]
BOTH = pytest.mark.parametrize("until_ready", [polled, selected])


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two sockets that are connected to each other."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@BOTH
def test_what_can_be_read_or_written_is_ready(until_ready: Ready, pair: Pair) -> None:
    here, there = pair
    assert not until_ready(here.fileno(), (), 0)
    assert until_ready(here.fileno(), (), 0, writing=True)
    there.send(b"!")
    assert until_ready(here.fileno(), (), 10)


@BOTH
def test_a_closed_end_is_ready(until_ready: Ready, pair: Pair) -> None:
    pair[1].close()
    assert until_ready(pair[0].fileno(), (), 10)


@BOTH
def test_a_time_that_is_over_only_looks(until_ready: Ready, pair: Pair) -> None:
    assert not until_ready(pair[0].fileno(), (), -5)


@BOTH
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_alarm_ends_the_wait(until_ready: Ready, pair: Pair, when: str) -> None:
    alarm = Alarm()
    timer = threading.Timer(0 if when == "before" else 0.05, alarm.ring)
    timer.start()
    if when == "before":
        timer.join()
    assert not until_ready(pair[0].fileno(), (alarm.fileno(),), 60)
    timer.join()
    assert alarm.raised
    alarm.close()


def test_an_alarm_taken_back_is_quiet_and_can_be_raised_again() -> None:
    alarm = Alarm()
    number = alarm.fileno()
    for _ in range(3):
        alarm.ring()
        assert polled(number, (), 0)
        alarm.still()
        assert not polled(number, (), 0)
    alarm.close()


def test_an_alarm_rung_often_blocks_nobody() -> None:
    alarm = Alarm()
    alarm.fileno()
    for _ in range(20_000):
        alarm.ring()
    alarm.still()
    assert not polled(alarm.fileno(), (), 0)
    alarm.close()


def test_calls_on_a_socket_are_given_up(pair: Pair) -> None:
    here, _ = pair
    give_up_soon(here, 0.01)
    with pytest.raises((TimeoutError, BlockingIOError)):
        here.recv(1)
    with pytest.raises((TimeoutError, BlockingIOError)):
        _fill(here)


def _fill(sock: socket.socket) -> None:
    while sock.send(bytes(1 << 16)):
        pass


@BOTH
def test_ready_tells_the_socket_from_the_others(until_ready: Ready, pair: Pair) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"!")
        assert not until_ready(pair[0].fileno(), (reader,), 60)
        pair[1].send(b"!")
        assert until_ready(pair[0].fileno(), (reader,), 60)
    finally:
        os.close(reader)
        os.close(writer)


def _send_much(wire: TcpWire, timeout_s: float) -> None:
    for _ in range(1000):
        wire.send(bytes(1 << 19), timeout_s)


def test_a_peer_that_takes_nothing_does_not_hold_the_sender() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = TcpWire()
        wire.open("127.0.0.1", server.getsockname()[1], 5)
        try:
            with pytest.raises(ZKUnreachable, match="no more data"):
                _send_much(wire, 0.1)
        finally:
            wire.close()


def test_giving_up_reaches_a_sender_that_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = TcpWire()
        wire.open("127.0.0.1", server.getsockname()[1], 5)
        timer = threading.Timer(0.2, wire.abort)
        timer.start()
        try:
            with pytest.raises(ZKUnreachable, match="given up"):
                _send_much(wire, 60)
        finally:
            timer.join()
            wire.close()


def test_a_session_that_is_answered_at_once_needs_one_descriptor(
    terminal: SimulatedTerminal,
) -> None:
    client = device(terminal)
    wire = client.transport._wire  # type: ignore[attr-defined]  # whose descriptors are counted
    with client:
        client.clock()
        assert wire._alarm._pair is None
