"""Sockets of simulated terminals: clients that come and go, slow lines, alien firmware."""

import socket
import threading
from struct import pack
from time import monotonic

import pytest

from tests.simulator.conftest import punches
from tests.simulator.raw import OPERATIONS, PATIENCE_S, PUNCHES, RawClient
from zkbridge.simulator import PANEL_GREETING, Hub, SimulatedTerminal
from zkbridge.zk.framing import build_packet, build_tcp


def test_both_transports_have_one_port(terminal: SimulatedTerminal) -> None:
    for transport in ("tcp", "udp"):
        with RawClient(terminal, "tcp" if transport == "tcp" else "udp") as client:
            assert client.connect().cmd == 2000


def test_udp_only_terminal_refuses_tcp() -> None:
    with SimulatedTerminal(transport="udp") as terminal:
        with pytest.raises(ConnectionRefusedError):
            RawClient(terminal)
        with RawClient(terminal, "udp") as client:
            assert client.connect().cmd == 2000


def test_tcp_only_terminal_has_no_udp_port() -> None:
    with SimulatedTerminal(transport="tcp") as terminal, RawClient(terminal, "udp") as client:
        client.send(1000)
        with pytest.raises(ConnectionRefusedError):
            client.receive()


def test_requests_may_arrive_in_any_pieces(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal) as client:
        client.connect()
        wanted = build_tcp(build_packet(201, b"", client.session, 7))
        for byte in wanted[:-1]:
            client.socket.sendall(bytes((byte,)))
        client.socket.sendall(wanted[-1:] + wanted)

        assert [client.receive().reply for _ in range(2)] == [7, 7]


def test_garbage_ends_the_connection_and_no_other(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    with RawClient(terminal) as bad:
        bad.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(EOFError):
            bad.receive()

    assert client.ask(201).cmd == 2000


def test_second_client_waits_for_the_end_of_the_first() -> None:
    with (
        SimulatedTerminal(one_client=True) as terminal,
        RawClient(terminal) as first,
        RawClient(terminal) as second,
    ):
        assert first.connect().cmd == 2000
        second.send(1000)
        assert second.silent()
        assert first.ask(201).cmd == 2000
        first.socket.close()
        assert second.receive().cmd == 2000


def test_connections_are_counted_and_dropped(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    assert terminal.connections == 1

    terminal.drop_connections()

    with pytest.raises(EOFError):
        client.receive()
    assert terminal.connections == 0
    with RawClient(terminal) as again:
        assert again.connect().cmd == 2000
    assert terminal.accepted == 2


def test_connections_may_be_reset(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.drop_connections(reset=True)

    with pytest.raises(ConnectionResetError):
        client.receive()


def test_paused_terminal_is_away_and_comes_back_on_its_port(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    port = terminal.port
    for _ in range(2):
        terminal.pause()
        with pytest.raises(ConnectionRefusedError):
            RawClient(terminal)
        with RawClient(terminal, "udp") as datagrams:
            datagrams.send(1000)
            assert datagrams.silent()
        terminal.resume()
        with RawClient(terminal) as again:
            assert again.connect().cmd == 2000
    with pytest.raises(EOFError):
        client.receive()
    assert terminal.port == port


def test_forgotten_session_is_refused_until_connect(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.forget_sessions(2005)

    assert client.ask(201).cmd == 2005
    assert client.connect().cmd == 2000
    assert client.ask(201).cmd == 2000


@pytest.mark.parametrize("code", [6001, 2032])
def test_secure_firmware_refuses_everything(code: int) -> None:
    with SimulatedTerminal(refusal=code) as terminal, RawClient(terminal) as client:
        assert client.ask(1000).cmd == code


def test_access_panel_speaks_another_language() -> None:
    with SimulatedTerminal(alien=PANEL_GREETING) as terminal, RawClient(terminal) as client:
        client.send(1000)

        assert client.socket.recv(100) == PANEL_GREETING


def test_latency_delays_each_answer(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(latency_s=0.2)
    began = monotonic()

    assert client.ask(201).cmd == 2000

    assert monotonic() - began >= 0.2


def test_preparing_a_table_may_take_longer(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(prepare_s=0.2)
    began = monotonic()

    assert client.prepare(PUNCHES).cmd == 2000

    assert monotonic() - began >= 0.2


def test_slow_line_delivers_in_pieces(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.load_punches(punches(900))
    terminal.behave(bandwidth=200_000)
    began = monotonic()

    client.prepare(PUNCHES)
    frames = client.chunk(0, 40_000)

    assert len(frames[1].data) == 40_000
    assert monotonic() - began >= 40_000 / 200_000


def test_reader_that_does_not_read_blocks_nobody(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.load_punches(punches(100_000))
    with RawClient(terminal) as slow:
        slow.connect()
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        slow.prepare(PUNCHES)
        for index in range(100):
            slow.send(1504, pack("<ii", index * 0x1000, 0xFFC0))

        assert client.ask(201).cmd == 2000
        received = sum(
            len(frame.data) for frame in (slow.receive() for _ in range(300)) if frame.cmd == 1501
        )
        assert received == 100 * 0xFFC0


def test_many_terminals_share_one_thread() -> None:
    before = threading.active_count()
    hub = Hub("many")
    hub.start()
    terminals = [SimulatedTerminal(hub=hub, serial=f"S{index}") for index in range(50)]
    try:
        for terminal in terminals:
            terminal.start()
        for index, terminal in enumerate(terminals):
            with RawClient(terminal) as client:
                client.connect()
                answer = client.ask(11, b"~SerialNumber\0").data
                assert answer == f"~SerialNumber=S{index}\0".encode()
        assert threading.active_count() == before + 1
    finally:
        for terminal in terminals:
            terminal.stop()
        hub.stop()
    assert threading.active_count() == before


def test_stop_is_clean_and_may_be_repeated(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal) as client:
        client.connect()
        terminal.stop()
        terminal.stop()
        with pytest.raises(EOFError):
            client.receive()
    with pytest.raises(ConnectionRefusedError):
        RawClient(terminal)


def test_punches_from_many_threads_all_arrive(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal) as client:
        client.connect()
        client.ask(500, pack("<I", 1))
        threads = [
            threading.Thread(target=lambda: [terminal.punch("1001") for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        events = [client.receive().cmd for _ in range(200)]
        for thread in threads:
            thread.join(PATIENCE_S)

    assert events == [500] * 200
    assert terminal.punch_count == 300


def test_taken_port_is_an_error(terminal: SimulatedTerminal) -> None:
    with SimulatedTerminal(port=0) as other, pytest.raises(OSError, match="in use"):
        SimulatedTerminal(port=other.port).start()


def test_restart_ends_connections_and_is_noted(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.restart()

    with pytest.raises(EOFError):
        client.receive()
    with RawClient(terminal) as again:
        again.connect()
        blob = again.table(OPERATIONS)
    assert [blob[4 + 2], blob[20 + 2]] == [1, 0]
