"""Every fault, seen from a raw socket."""

from pathlib import Path
from struct import pack, unpack_from
from time import monotonic

import pytest

from tests.simulator.raw import PUNCHES, RawClient
from zkbridge.simulator import SimulatedTerminal, faults
from zkbridge.simulator.faults import Fault
from zkbridge.zk.errors import ZKNotATerminal, ZKProtocolError

EVENT = bytes.fromhex("3131343000000000000000000000000000000000000000000fff1a0b160f1e07")
CHUNK = pack("<ii", 0, 4004)


def chunk_with(client: RawClient, terminal: SimulatedTerminal, fault: Fault) -> None:
    """Ask for a chunk of five frames whose reply has the fault; the caller reads."""
    terminal.behave(max_data_tcp=1008)
    client.prepare(PUNCHES)
    terminal.inject(fault, 1504)
    client.send(1504, CHUNK)


def commands(client: RawClient, count: int) -> list[int]:
    return [client.receive().cmd for _ in range(count)]


WHOLE = [1500, 1501, 1501, 1501, 1501, 2000]


def test_every_fault_has_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")

    assert [
        name for name in faults.__all__ if name != "Fault" and f"faults.{name}(" not in source
    ] == []


def test_fault_hits_the_planned_replies_only(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.inject(faults.Refused(2001), 11, times=2, skip=1, data=b"~OS\0")

    answers = [
        client.ask(11, name).cmd for name in (b"MAC\0", b"~OS\0", b"~OS\0", b"~OS\0", b"~OS\0")
    ]

    assert answers == [2000, 2000, 2001, 2001, 2000]
    assert terminal.faults_hit == 2


def test_delay(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Delay(0.2))
    began = monotonic()

    assert client.ask(201).cmd == 2000

    assert monotonic() - began >= 0.2


def test_silence_loses_one_reply(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Silence())
    client.send(201)

    assert client.ask(201).reply == client.number


def test_hang_is_for_ever(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Hang())
    client.send(201)
    client.send(201)

    assert client.silent()
    assert terminal.wait_for(lambda: terminal.requests[201] == 2)


@pytest.mark.parametrize(
    ("fault", "error"),
    [(faults.Closed(), EOFError), (faults.Closed(reset=True), ConnectionResetError)],
)
def test_closed_instead_of_a_reply(
    fault: Fault, error: type[Exception], client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.inject(fault)
    client.send(201)

    with pytest.raises(error):
        client.receive()


@pytest.mark.parametrize("at", [0, 1, 7, 8, 15, 16, 20, 23, 24, 1000, 4100])
def test_reply_cut_at_any_byte(at: int, client: RawClient, terminal: SimulatedTerminal) -> None:
    chunk_with(client, terminal, faults.Cut(at))

    received = b""
    while piece := client.socket.recv(1 << 16):
        received += piece
    assert len(received) == at


def test_cut_reply_may_leave_the_connection_hanging(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    chunk_with(client, terminal, faults.Cut(20, then="hang"))

    assert len(client.socket.recv(100)) == 20
    assert client.silent()


def test_cut_reply_may_be_followed_by_the_next(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.inject(faults.Cut(16, then="go_on"), 50)
    client.send(50)
    client.send(201)

    received = b""
    while len(received) < 16 + 20:
        received += client.socket.recv(100)
    assert received[16:20] == received[:4]


def test_cut_datagram_is_short(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal, "udp") as client:
        client.connect()
        terminal.inject(faults.Cut(10, then="go_on"), 50)
        client.send(50)

        assert len(client.socket.recv(100)) == 10


def test_split_and_separate_arrive_whole(client: RawClient, terminal: SimulatedTerminal) -> None:
    for fault in (faults.Split((3, 8, 30)), faults.Split((20,), 0.05), faults.Separate(0.01)):
        chunk_with(client, terminal, fault)
        assert commands(client, 6) == WHOLE


def test_split_pauses_between_its_pieces(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Split((5, 9), 0.1))
    began = monotonic()

    assert client.ask(201).cmd == 2000

    assert monotonic() - began >= 0.2


def test_dribble_sends_byte_by_byte(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Dribble(0.01))
    began = monotonic()

    assert client.ask(201).cmd == 2000

    assert monotonic() - began >= 19 * 0.01


def test_dribble_may_dry_up(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Dribble(most=9))
    client.send(201)

    received = b""
    while len(received) < 9:
        received += client.socket.recv(100)
    assert client.silent()


def test_event_and_reply_joined(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Joined(1, EVENT))
    client.send(201)

    assert commands(client, 2) == [2000, 500]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_event_between_command_and_reply(transport: str, terminal: SimulatedTerminal) -> None:
    with RawClient(terminal, "tcp" if transport == "tcp" else "udp") as client:
        client.connect()
        terminal.inject(faults.EventBefore(1, EVENT))
        client.send(201)

        event = client.receive()
        assert (event.cmd, event.session, event.reply, event.data) == (500, 1, 0, EVENT)
        assert client.receive().cmd == 2000


def test_events_between_data_frames(client: RawClient, terminal: SimulatedTerminal) -> None:
    chunk_with(client, terminal, faults.EventBetween(1, EVENT))

    assert commands(client, 11) == [1500, 500, 1501, 500, 1501, 500, 1501, 500, 1501, 500, 2000]


def test_doubled_repeated_lost_and_reordered(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    chunk_with(client, terminal, faults.Doubled())
    assert commands(client, 12) == [one for one in WHOLE for _ in range(2)]
    chunk_with(client, terminal, faults.Repeated())
    assert commands(client, 12) == WHOLE * 2
    chunk_with(client, terminal, faults.Lost((1, -1)))
    assert [client.receive().session for _ in range(4)][1:] == [1, 2, 3]
    chunk_with(client, terminal, faults.Reordered(1, 3))
    assert [client.receive().session for _ in range(6)][1:-1] == [2, 1, 0, 3]


def test_lost_datagram(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal, "udp") as client:
        client.connect()
        client.prepare(PUNCHES)
        terminal.inject(faults.Lost((2,)), 1504)
        frames = client.chunk(0, 4004)

    assert [frame.session for frame in frames[1:-1]] == [0, 2, 3]


def test_corrupt_checksum_over_right_data(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.CorruptChecksum())

    assert client.ask(1100).data == b"Ver 6.60 Apr 28 2017\0"
    assert client.bad_checksums == 1


def test_corrupt_data_shows_in_the_checksum(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.CorruptData(at=4))

    assert client.ask(1100).data == b"Ver \xc9.60 Apr 28 2017\0"
    assert client.bad_checksums == 1


def test_wrong_length(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.WrongLength(-3))
    client.send(201)

    assert len(client.receive().data) == 1
    client.send(201)
    with pytest.raises(ZKNotATerminal):
        client.receive()


def test_wrong_length_of_a_datagram(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal, "udp") as client:
        client.connect()
        terminal.inject(faults.WrongLength(-3))
        terminal.inject(faults.WrongLength(2))

        assert [len(client.ask(201).data) for _ in range(2)] == [1, 6]


def test_oversized_length(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.OversizedLength())
    client.send(201)

    with pytest.raises(ZKProtocolError, match="2147483648"):
        client.receive()


def test_oversized_table(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.OversizedTable(), 1503)
    assert unpack_from("<BII", client.prepare(PUNCHES).data) == (0, 1 << 31, 1 << 31)

    terminal.inject(faults.OversizedTable(), 1504)
    assert client.chunk(0, 4004)[0].data[:4] == pack("<I", 1 << 31)
    assert client.bad_checksums == 0


@pytest.mark.parametrize("missing", [40, -40])
def test_data_shorter_or_longer_than_announced(
    missing: int, client: RawClient, terminal: SimulatedTerminal
) -> None:
    client.prepare(PUNCHES)
    terminal.inject(faults.ShortData(missing), 1504)

    frames = client.chunk(0, 4004)

    assert frames[0].data[:4] == pack("<I", 4004)
    assert len(frames[1].data) == 4004 - missing
    assert client.bad_checksums == 0


def test_wrong_number_and_late_answer(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.WrongNumber())
    assert client.ask(201).reply == client.number - 1
    terminal.inject(faults.LateAnswer(data=b"late"))
    late = client.ask(201)
    assert (late.cmd, late.data, late.reply) == (2000, b"late", client.number - 1)
    assert client.receive().reply == client.number


def test_refused(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Refused())

    answer = client.ask(201)

    assert (answer.cmd, answer.data, answer.reply) == (2005, b"", client.number)


def test_garbage(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.inject(faults.Garbage(in_front=True))
    client.send(201)

    with pytest.raises(ZKNotATerminal):
        client.receive()
