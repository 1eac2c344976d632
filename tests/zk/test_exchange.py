"""Which frame answers which command, and where an answer ends."""

from struct import pack

import pytest

from tests.fakes import ScriptedPeer
from zkbridge.zk import Frame, TcpTransport, ZKProtocolError
from zkbridge.zk.exchange import Exchange, Patience, Verdict
from zkbridge.zk.framing import build_packet, build_tcp
from zkbridge.zk.opcodes import (
    CMD_ACK_ERROR,
    CMD_ACK_OK,
    CMD_CONNECT,
    CMD_DATA,
    CMD_EXIT,
    CMD_GET_TIME,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REG_EVENT,
)

UNKNOWN_COMMAND = 9999


def slice_exchange(size: int, *, ordered: bool = True) -> Exchange:
    """A request for a slice of this many bytes, number 7."""
    return Exchange(CMD_READ_BUFFER, 7, pack("<ii", 0, size), ordered=ordered)


def prepare(size: int) -> Frame:
    """The announcement of a transfer."""
    return Frame(CMD_PREPARE_DATA, 1, 7, pack("<II", size, 4))


def data(index: int, payload: bytes) -> Frame:
    """A piece of it."""
    return Frame(CMD_DATA, index, 7, payload)


END = Frame(CMD_ACK_OK, 0, 7)


def verdicts(exchange: Exchange, *frames: Frame) -> list[Verdict]:
    """Judge frames in turn."""
    return [exchange.accept(frame) for frame in frames]


def test_transfer_ends_with_its_acknowledgement() -> None:
    assert verdicts(slice_exchange(8), prepare(8), data(0, b"abcd"), data(1, b"efgh"), END) == [
        Verdict.PART,
        Verdict.PART,
        Verdict.PART,
        Verdict.LAST,
    ]


def test_packets_that_all_bear_index_0_are_taken_in_order() -> None:
    assert verdicts(slice_exchange(8), prepare(8), data(0, b"abcd"), data(0, b"efgh"), END) == [
        Verdict.PART,
        Verdict.PART,
        Verdict.PART,
        Verdict.LAST,
    ]


def test_doubled_frames_count_once() -> None:
    doubled = [frame for frame in (prepare(4), data(0, b"abcd")) for _ in range(2)]
    assert verdicts(slice_exchange(4), *doubled, END) == [
        Verdict.PART,
        Verdict.STRAY,
        Verdict.PART,
        Verdict.STRAY,
        Verdict.LAST,
    ]


def test_lone_data_of_the_right_size_is_the_whole_slice() -> None:
    assert verdicts(slice_exchange(4), data(0, b"abcd")) == [Verdict.LAST]


def test_event_and_late_answer_are_not_the_answer() -> None:
    exchange = Exchange(CMD_GET_TIME, 7)
    late = Frame(CMD_ACK_OK, 1, 6)
    event = Frame(CMD_REG_EVENT, 1, 0)
    answer = Frame(CMD_ACK_OK, 1, 7, bytes(4))
    assert verdicts(exchange, event, late, answer) == [Verdict.EVENT, Verdict.STRAY, Verdict.LAST]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param((prepare(8), data(0, b"abcd"), END), id="ends early"),
        pytest.param((prepare(4), data(0, b"abcdefgh")), id="too many bytes"),
        pytest.param((prepare(9),), id="more announced than asked for"),
        pytest.param((prepare(8), prepare(4)), id="announced twice"),
        pytest.param((Frame(CMD_PREPARE_DATA, 1, 7, b"x"),), id="announced without a size"),
        pytest.param((data(0, b"a" * 9),), id="too many bytes unannounced"),
    ],
)
def test_answer_that_contradicts_itself_is_an_error(frames: tuple[Frame, ...]) -> None:
    exchange = slice_exchange(8)
    with pytest.raises(ZKProtocolError):
        verdicts(exchange, *frames)


def test_transfer_of_more_than_any_table_is_refused() -> None:
    with pytest.raises(ZKProtocolError):
        Exchange(CMD_PREPARE_BUFFER, 7).accept(prepare(1 << 31))


def test_error_ends_any_answer() -> None:
    error = Frame(CMD_ACK_ERROR, 1, 7)
    assert verdicts(slice_exchange(8), error) == [Verdict.LAST]
    assert verdicts(Exchange(UNKNOWN_COMMAND, 7), error) == [Verdict.LAST]


def test_table_request_may_take_longer_than_its_frames() -> None:
    exchange = Exchange(CMD_PREPARE_BUFFER, 7)
    before = exchange.patience
    exchange.accept(prepare(8))
    assert (before, exchange.patience) == (Patience.TABLE, Patience.FRAME)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_hole_is_seen_without_order(lost: int) -> None:
    frames = [prepare(12), data(4, b"abcd"), data(5, b"efgh"), data(6, b"ijkl"), END]
    exchange = slice_exchange(12, ordered=False)
    verdicts(exchange, *(frame for index, frame in enumerate(frames) if index != lost))
    assert not exchange.complete


def test_index_that_jumps_is_never_put_together() -> None:
    exchange = slice_exchange(12, ordered=False)
    verdicts(exchange, prepare(12), data(0, b"abcd"), data(1, b"efgh"), data(3, b"ijkl"), END)
    assert not exchange.complete


def test_command_that_nobody_documented_is_heard_until_it_is_quiet() -> None:
    def packet(command: int, number: int, payload: bytes = b"") -> bytes:
        return build_tcp(build_packet(command, payload, 5, number))

    script = [
        ("client", build_tcp(build_packet(CMD_CONNECT, b"", 0, 0))),
        ("device", packet(CMD_ACK_OK, 0)),
        ("client", packet(UNKNOWN_COMMAND, 1)),
        ("device", packet(CMD_ACK_OK, 1, b"first") + packet(CMD_ACK_OK, 1, b"second")),
        ("client", packet(CMD_EXIT, 2)),
        ("device", packet(CMD_ACK_OK, 2)),
    ]
    with ScriptedPeer(script) as peer:
        transport = TcpTransport("127.0.0.1", peer.port, timeout=5, idle=0.2)
        transport.connect()
        frames = transport.capture(UNKNOWN_COMMAND)
        transport.disconnect()
    assert peer.failure is None
    assert [frame.data for frame in frames] == [b"first", b"second"]
