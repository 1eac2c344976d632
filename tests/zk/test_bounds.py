"""What a terminal cannot make the client do: take memory, keep sockets, hold it for ever."""

import os
import socket
import threading
import tracemalloc
from contextlib import suppress
from time import monotonic

import pytest

from tests.fakes import ScriptedPeer
from tests.zk.conftest import device, punches
from zkbridge.simulator import PANEL_GREETING, SimulatedTerminal
from zkbridge.simulator import faults as f
from zkbridge.zk import TcpTransport, UdpTransport, ZKBusy, ZKDevice, ZKError, ZKUnreachable
from zkbridge.zk.opcodes import (
    CMD_AUTH,
    CMD_CONNECT,
    CMD_EXIT,
    CMD_FREE_DATA,
    CMD_OPTIONS_RRQ,
    CMD_OPTIONS_WRQ,
    CMD_PREPARE_BUFFER,
    CMD_READ_BUFFER,
)
from zkbridge.zk.transport import TransportKind


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  a pseudo file system


@pytest.mark.parametrize("count", [2_000, 60_000])
def test_memory_of_a_read_does_not_grow_with_the_log(kind: TransportKind, count: int) -> None:
    with SimulatedTerminal() as terminal:
        terminal.load_punches(punches(count))
        with device(terminal, kind) as client:
            client.device_info()
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                read = sum(1 for _ in client.attendance())
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert read == count
    # The simulator lives in this process too, and keeps a few chunks of its own on the way.
    assert peak - before < 2_000_000


@pytest.mark.parametrize(
    ("fault", "command"),
    [
        pytest.param(f.Hang(), CMD_CONNECT, id="connect hangs"),
        pytest.param(f.Closed(), CMD_CONNECT, id="connect is closed"),
        pytest.param(f.OversizedLength(), CMD_CONNECT, id="connect is huge"),
        pytest.param(f.Hang(), CMD_AUTH, id="auth hangs"),
        pytest.param(f.Closed(reset=True), CMD_OPTIONS_RRQ, id="first option is reset"),
        pytest.param(f.Hang(), CMD_OPTIONS_WRQ, id="handshake hangs"),
        pytest.param(f.Garbage(), CMD_OPTIONS_WRQ, id="handshake is garbage"),
    ],
)
def test_opening_that_fails_leaves_no_file_open(
    kind: TransportKind, fault: f.Fault, command: int
) -> None:
    with SimulatedTerminal(comm_key=7) as terminal:
        terminal.inject(fault, command, times=9)
        before = open_files()
        client = ZKDevice(terminal.host, terminal.port, 7, timeout=0.3, kind=kind)
        with suppress(ZKError):
            client.open()
            client.close()
        assert terminal.wait_for(lambda: terminal.connections == 0 or kind == "udp")
        assert open_files() <= before


@pytest.mark.parametrize("fault", [f.Hang(), f.Closed(), f.Garbage(), f.Cut(500)])
def test_reading_that_fails_leaves_no_file_open(fault: f.Fault) -> None:
    with SimulatedTerminal() as terminal:
        terminal.load_punches(punches(500))
        before = open_files()
        terminal.inject(fault, CMD_READ_BUFFER)
        with suppress(ZKError), device(terminal, timeout=0.3) as client:
            list(client.attendance())
        assert terminal.wait_for(lambda: terminal.connections == 0)
        assert open_files() <= before


def test_alien_bytes_leave_no_file_open() -> None:
    with SimulatedTerminal(alien=PANEL_GREETING) as terminal:
        before = open_files()
        with pytest.raises(ZKError):
            device(terminal).open()
        assert terminal.wait_for(lambda: terminal.connections == 0)
        assert open_files() <= before


def test_peer_that_dribbles_for_ever_is_left_at_the_frames_deadline() -> None:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def dribble() -> None:
        with suppress(OSError), listener.accept()[0] as peer:
            while not stop.wait(0.02):
                peer.sendall(b"P")

    head = threading.Thread(target=dribble, name="dribbler")
    head.start()
    started = monotonic()
    try:
        with pytest.raises(ZKError):
            TcpTransport("127.0.0.1", listener.getsockname()[1], timeout=0.4).connect()
    finally:
        stop.set()
        listener.close()
        head.join()
    # One frame's time, the goodbye, and room for a busy machine.
    assert monotonic() - started < 10


def test_flood_of_frames_that_answer_nothing_is_left_at_the_deadline() -> None:
    stray = bytes.fromhex("5050827d08000000d0072af80000ffff")[:14] + b"\x09\x00"
    with ScriptedPeer([("device", stray * 2000)]) as peer, pytest.raises(ZKUnreachable):
        TcpTransport("127.0.0.1", peer.port, timeout=0.3).connect()


def test_silence_after_accepting_is_busy() -> None:
    with ScriptedPeer([]) as peer, pytest.raises(ZKBusy, match="another client"):
        TcpTransport("127.0.0.1", peer.port, timeout=0.2).connect()


@pytest.mark.parametrize("transport", [TcpTransport, UdpTransport])
def test_disconnecting_twice_or_never_connected_is_harmless(
    transport: type[TcpTransport | UdpTransport],
) -> None:
    one = transport("127.0.0.1", 1)
    one.disconnect()
    one.disconnect()
    with pytest.raises(ZKUnreachable):
        one.capture(CMD_OPTIONS_RRQ, b"X\0")


def test_name_without_an_address_is_unreachable() -> None:
    with pytest.raises(ZKUnreachable, match="address"):
        TcpTransport("no such host.invalid", timeout=0.2).connect()


def test_abort_before_opening_is_not_forgotten(terminal: SimulatedTerminal) -> None:
    client = device(terminal)
    client.abort()
    with pytest.raises(ZKUnreachable, match="given up"):
        client.open()
    client.close()
    with client:
        assert client.serial


def test_index_only_punches_of_a_terminal_that_refuses_its_users_keep_the_index() -> None:
    refused = frozenset({(9, 5), (7, 5)})
    with SimulatedTerminal(punch_size=8, refused_tables=refused) as terminal:
        terminal.load_punches(punches(60))
        with device(terminal) as client:
            rows = list(client.attendance())
    assert [row.user_id for row in rows] == [str(row.uid) for row in rows]
    assert all(row.uid_only for row in rows)


def test_terminal_that_hangs_is_left_soon(terminal: SimulatedTerminal) -> None:
    terminal.load_punches(punches(500))
    client = device(terminal, timeout=0.3)
    client.open()
    terminal.inject(f.Hang(), CMD_READ_BUFFER)
    with pytest.raises(ZKUnreachable):
        list(client.attendance())
    client.close()
    # What can still be said is said, whether or not it is heard.
    assert terminal.wait_for(lambda: terminal.connections == 0)
    assert [one.command for one in terminal.command_log][-2:] == [CMD_OPTIONS_WRQ, CMD_EXIT]


def test_table_that_a_broken_session_left_behind_is_freed_before_the_next(
    terminal: SimulatedTerminal,
) -> None:
    terminal.load_punches(punches(500))
    client = device(terminal, timeout=0.3)
    with client:
        terminal.inject(f.Silence(), CMD_READ_BUFFER)
        with pytest.raises(ZKUnreachable):
            list(client.attendance())
    terminal.reset_counters()
    with client:
        assert len(list(client.attendance())) == 500
    asked = [one.command for one in terminal.command_log]
    assert asked.index(CMD_FREE_DATA) < asked.index(CMD_PREPARE_BUFFER)
