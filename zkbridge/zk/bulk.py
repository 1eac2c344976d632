"""Tables through the terminal's buffer: prepare, read slices, free. Knows no record layout.

Source: protocol.md 5, captured.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from struct import Struct
from typing import Final, NamedTuple, Protocol

from zkbridge.zk.errors import ZKError, ZKNotSupported, ZKProtocolError, ZKUnreachable
from zkbridge.zk.exchange import MAX_REPLY_BYTES
from zkbridge.zk.framing import Frame
from zkbridge.zk.opcodes import (
    CMD_ACK_NO_DATA,
    CMD_ACK_NO_DATA_ALT,
    CMD_ACK_OK,
    CMD_ACK_UNAUTH,
    CMD_ATTLOG_RRQ,
    CMD_DATA,
    CMD_DB_RRQ,
    CMD_FREE_DATA,
    CMD_OPLOG_RRQ,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REG_EVENT,
    CMD_USERTEMP_RRQ,
    FCT_ATTLOG,
    FCT_FINGERTMP,
    FCT_OPLOG,
    FCT_USER,
)

HEAD_SIZE: Final = 4  # u32 byte size of the records, in front of every table
_TABLE_BUDGET_S: Final = 60.0
_SLOWEST_BYTES_PER_S: Final = 2000

_TRANSFER: Final = frozenset({CMD_REG_EVENT, CMD_PREPARE_DATA, CMD_DATA})
_REQUEST = Struct("<bhii")
_SLICE = Struct("<ii")
_PREPARED = Struct("<BI")
_U32 = Struct("<I")


class TableName(NamedTuple):
    """A table and the requests that ask for it, best known first. Source: protocol.md 5.1."""

    name: str
    requests: tuple[tuple[int, int], ...]


USERS: Final = TableName("users", ((CMD_USERTEMP_RRQ, FCT_USER), (CMD_DB_RRQ, FCT_USER)))
ATTENDANCE: Final = TableName("attendance", ((CMD_ATTLOG_RRQ, 0), (CMD_DB_RRQ, FCT_ATTLOG)))
OP_LOGS: Final = TableName("op_logs", ((CMD_OPLOG_RRQ, 0), (CMD_DB_RRQ, FCT_OPLOG)))
FINGERPRINTS: Final = TableName("fingerprint_templates", ((CMD_DB_RRQ, FCT_FINGERTMP),))


class Channel(Protocol):
    """The part of a transport that reading tables needs."""

    chunk_size: int
    budget_s: float | None

    def stream(self, command: int, data: bytes = b"") -> Iterator[Frame]:
        """Send a command and yield the answer's frames."""


class Reply(NamedTuple):
    """An answer with its transfer put together.

    Attributes:
        code: Code of the last frame.
        data: All DATA payloads; None where no DATA came.
        tail: Payload of the last frame, where that is no DATA.
    """

    code: int
    data: bytes | None
    tail: bytes


def first_data(frames: list[Frame], want_cmd: int) -> bytes:
    """Concatenate the payloads of all frames of one command; empty when there is none."""
    return b"".join(frame.data for frame in frames if frame.cmd == want_cmd)


def gather(frames: Iterable[Frame]) -> Reply:
    """Put an answer together.

    Raises:
        ZKProtocolError: Nothing came, or not as much as was announced.
    """
    if isinstance(frames, list) and len(frames) == 1 and frames[0].cmd not in _TRANSFER:
        return Reply(frames[0].cmd, None, frames[0].data)  # what most answers are
    announced: int | None = None
    data: bytearray | None = None
    last: Frame | None = None
    for frame in frames:
        if frame.cmd == CMD_REG_EVENT:
            continue
        last = frame
        if frame.cmd == CMD_PREPARE_DATA and announced is None and len(frame.data) >= _U32.size:
            (announced,) = _U32.unpack_from(frame.data)
        elif frame.cmd == CMD_DATA:
            data = bytearray() if data is None else data
            data += frame.data
            if len(data) > MAX_REPLY_BYTES:
                raise ZKProtocolError("more data than any table holds")
    if last is None:
        raise ZKProtocolError("the terminal's answer is empty")
    if announced is not None and len(data or b"") != announced:
        raise ZKProtocolError(f"{len(data or b'')} of {announced} announced bytes arrived")
    if announced == 0:
        data = bytearray()
    return Reply(
        last.cmd, None if data is None else bytes(data), b"" if last.cmd == CMD_DATA else last.data
    )


def check_session(code: int) -> None:
    """Recognise a terminal that has forgotten the session.

    Raises:
        ZKProtocolError: It has; reconnecting helps.
    """
    if code == CMD_ACK_UNAUTH:
        raise ZKProtocolError("the terminal has forgotten the session")


class Table:
    """A table as the terminal has prepared it: a snapshot until it is freed.

    Attributes:
        size: Bytes of the whole table, its u32 size in front included; 0 when it is empty.
        inline: The whole table came with the first answer; slices cost nothing.
        stale: Another table was prepared since; this one is gone.
        left_behind: The terminal could not be told to forget it.
    """

    def __init__(self, channel: Channel, size: int, blob: bytes | None = None) -> None:
        self._channel = channel
        self._blob = blob
        self.size = size
        self.inline = blob is not None or size == 0
        self.stale = False
        self.left_behind = False

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to ``end``, one slice of the terminal's at a time.

        Raises:
            ZKNotSupported: The terminal refuses this slice.
            ZKProtocolError: Not as many bytes as asked for.
        """
        end = self.size if end is None else min(end, self.size)
        if self._blob is not None:
            yield self._blob[start:end]
            return
        while start < end:
            length = min(self._channel.chunk_size, end - start)
            yield self._read_slice(start, length)
            start += length

    def _read_slice(self, start: int, length: int) -> bytes:
        if self.stale:
            raise ZKProtocolError("another table was read before this one was read to its end")
        reply = gather(self._channel.stream(CMD_READ_BUFFER, _SLICE.pack(start, length)))
        if reply.data is None:
            check_session(reply.code)
            if reply.code == CMD_ACK_OK:
                raise ZKProtocolError(f"slice {start}+{length} came without data")
            raise ZKNotSupported(f"reading bytes {start} to {start + length}", reply.code)
        if len(reply.data) != length:
            raise ZKProtocolError(f"slice {start}+{length} came with {len(reply.data)} bytes")
        return reply.data

    def free(self) -> None:
        """Let the terminal forget the table."""
        try:
            if not self.inline and not self.stale:
                gather(self._channel.stream(CMD_FREE_DATA))
        finally:
            self.stale = not self.inline
            self._channel.budget_s = None

    def discard(self, failure: BaseException | None = None) -> None:
        """Free after a failure, whose error matters more than another one.

        Args:
            failure: Who cannot be reached is not asked once more.
        """
        if isinstance(failure, ZKUnreachable):
            self.left_behind = not self.inline
            self.stale = True
        try:
            self.free()
        except ZKError:
            self.left_behind = True


def open_table(
    channel: Channel, name: str, requests: Sequence[tuple[int, int]], ext: int = 0
) -> Table:
    """Let the terminal prepare a table.

    Args:
        channel: What to ask through.
        name: The table's name, for errors.
        requests: Command and fct; the next one is tried where one is refused.
        ext: Passed on.

    Raises:
        ZKNotSupported: Every request is refused.
        ZKProtocolError: The answer makes no sense.
    """
    channel.budget_s = _TABLE_BUDGET_S
    code = 0
    try:
        for command, fct in requests:
            reply = gather(channel.stream(CMD_PREPARE_BUFFER, _REQUEST.pack(1, command, fct, ext)))
            check_session(reply.code)
            table = _prepared(channel, reply)
            if table is not None:
                if channel.budget_s is not None:
                    channel.budget_s += table.size / _SLOWEST_BYTES_PER_S
                return table
            code = reply.code
    except BaseException:
        channel.budget_s = None
        raise
    channel.budget_s = None
    raise ZKNotSupported(name, code)


def _prepared(channel: Channel, reply: Reply) -> Table | None:
    """Judge the answer to a request; None where it is refused. Source: protocol.md 5.2."""
    if reply.data is not None:
        holds_records = len(reply.data) > HEAD_SIZE and any(reply.data[:HEAD_SIZE])
        blob = reply.data if holds_records else b""
        return Table(channel, len(blob), blob)
    if reply.code in {CMD_ACK_NO_DATA, CMD_ACK_NO_DATA_ALT}:
        return Table(channel, 0, b"")
    if reply.code != CMD_ACK_OK:
        return None
    if len(reply.tail) < _PREPARED.size:
        raise ZKProtocolError("a table was prepared without telling its size")
    (_, size) = _PREPARED.unpack_from(reply.tail)
    if size > MAX_REPLY_BYTES:
        raise ZKProtocolError(f"a table of {size} bytes was announced")
    return Table(channel, size) if size > HEAD_SIZE else Table(channel, 0, b"")


def free_table(channel: Channel) -> None:
    """Let the terminal forget a table that an earlier session left behind, if it can."""
    with suppress(ZKNotSupported, ZKProtocolError):
        gather(channel.stream(CMD_FREE_DATA))


def read_table(channel: Channel, command: int, fct: int, ext: int = 0) -> bytes:
    """Read a whole table; see ``transport.read_buffer``."""
    table = open_table(channel, f"table {command}/{fct}", ((command, fct),), ext)
    try:
        blob = b"".join(table.read())
    except BaseException as error:
        table.discard(error)
        raise
    table.free()
    return blob
