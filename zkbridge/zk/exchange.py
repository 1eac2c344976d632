"""Which frame answers which command, what is a live event, where a reply ends. No I/O.

Every read has either one reply frame, or PREPARE_DATA, DATA until the announced bytes are
there, ACK_OK: the end is known, silence proves nothing (protocol.md 5.4).
"""

from collections.abc import Iterable
from enum import Enum, auto
from struct import Struct
from typing import Final

from zkbridge.zk.errors import ZKProtocolError
from zkbridge.zk.framing import Frame
from zkbridge.zk.opcodes import (
    BULK_COMMANDS,
    CMD_ACK_OK,
    CMD_AUTH,
    CMD_CONNECT,
    CMD_DATA,
    CMD_DOORSTATE_RRQ,
    CMD_EXIT,
    CMD_FREE_DATA,
    CMD_GET_FREE_SIZES,
    CMD_GET_PINWIDTH,
    CMD_GET_TIME,
    CMD_GET_VERSION,
    CMD_OPTIONS_RRQ,
    CMD_OPTIONS_WRQ,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REFRESHDATA,
    CMD_REG_EVENT,
    CMD_STATE_RRQ,
)

MAX_REPLY_BYTES: Final = 64 << 20  # far above any table a terminal can hold

ONE_FRAME_COMMANDS: Final = frozenset(
    {
        CMD_AUTH,
        CMD_CONNECT,
        CMD_DOORSTATE_RRQ,
        CMD_EXIT,
        CMD_FREE_DATA,
        CMD_GET_FREE_SIZES,
        CMD_GET_PINWIDTH,
        CMD_GET_TIME,
        CMD_GET_VERSION,
        CMD_OPTIONS_RRQ,
        CMD_OPTIONS_WRQ,
        CMD_REFRESHDATA,
        CMD_REG_EVENT,
        CMD_STATE_RRQ,
    }
)
_ALWAYS_DATA: Final = frozenset({CMD_PREPARE_BUFFER, CMD_READ_BUFFER})
_TRANSFER: Final = frozenset({CMD_PREPARE_DATA, CMD_DATA})
_NEVER_ALONE: Final = _TRANSFER | {CMD_REG_EVENT}
_U32 = Struct("<I")
_CHUNK = Struct("<ii")


class Verdict(Enum):
    """What one received frame is to the pending request."""

    EVENT = auto()  # unsolicited; belongs to whoever listens
    STRAY = auto()  # late, repeated or empty: dropped, proves no progress
    PART = auto()  # belongs to the answer; more will come
    LAST = auto()  # completes the answer


class Patience(Enum):
    """How long the next frame may take."""

    TABLE = auto()  # the terminal may be preparing a whole table
    FRAME = auto()
    IDLE = auto()  # nothing more need come


def answers_alone(command: int, number: int, frame: Frame) -> bool:
    """Tell whether a frame is the whole answer to the command that bore this number."""
    return frame.reply == number and command in ONE_FRAME_COMMANDS and frame.cmd not in _NEVER_ALONE


class Exchange:
    """One request and the frames that answer it.

    Args:
        command: Command as sent.
        reply: Reply number as sent.
        data: Payload as sent.
        ordered: False where frames may be lost, repeated or swapped on the way (UDP): then the
            answer is put together from packet indexes, and ``complete`` tells whether it is
            whole.

    Attributes:
        command: As sent.
        answered: Something of the answer has come.
    """

    # Most answers are one frame and never touch these.
    _prepare: Frame | None = None
    _expected: int | None = None
    _last: Frame | None = None
    _previous: Frame | None = None
    _got = 0
    answered = False

    def __init__(
        self, command: int, reply: int, data: bytes = b"", *, ordered: bool = True
    ) -> None:
        self.command = command
        self._reply = reply
        self._ordered = ordered
        self._wanted = _wanted(command, data)
        self._parts: list[Frame] = []  # unordered mode only

    @property
    def patience(self) -> Patience:
        """What is being waited for now."""
        if not self.answered:
            return Patience.TABLE if self.command == CMD_PREPARE_BUFFER else Patience.FRAME
        if self._last is not None or (self._expected is not None and self._got >= self._expected):
            return Patience.IDLE
        return Patience.FRAME

    def accept(self, frame: Frame) -> Verdict:
        """Judge the next received frame.

        Raises:
            ZKProtocolError: The answer contradicts itself.
        """
        if frame.cmd == CMD_REG_EVENT:
            return Verdict.EVENT
        if frame.reply != self._reply:
            return Verdict.STRAY
        if answers_alone(self.command, self._reply, frame):
            self.answered = True
            self._parts.append(frame)
            return Verdict.LAST
        verdict = self._judge(frame)
        if verdict is not Verdict.STRAY:
            self.answered = True
        return verdict

    def _judge(self, frame: Frame) -> Verdict:
        if frame.cmd == CMD_PREPARE_DATA:
            return self._accept_prepare(frame)
        if frame.cmd == CMD_DATA:
            return self._accept_data(frame) if self._ordered else self._collect(frame)
        if not self._ordered:
            return self._accept_end_unordered(frame)
        if frame.cmd == CMD_ACK_OK and self._expected is not None and self._got < self._expected:
            raise ZKProtocolError(
                f"reply to command {self.command} ends after {self._got} of {self._expected} bytes"
            )
        return self._final(frame)

    def _final(self, frame: Frame) -> Verdict:
        documented = self.command in ONE_FRAME_COMMANDS or self.command in BULK_COMMANDS
        if documented or frame.cmd != CMD_ACK_OK:
            return Verdict.LAST
        # Nobody has documented how this command's answer ends: listen until it is quiet.
        self._last = frame
        return Verdict.PART

    def _accept_prepare(self, frame: Frame) -> Verdict:
        if self._prepare is not None:
            if frame.data == self._prepare.data:
                return Verdict.STRAY
            raise ZKProtocolError(f"command {self.command} was answered by two transfers")
        if len(frame.data) < _U32.size:
            raise ZKProtocolError("a transfer was announced without its size")
        (size,) = _U32.unpack_from(frame.data)
        limit = MAX_REPLY_BYTES if self._wanted is None else self._wanted
        if size > limit or self._got > size:
            raise ZKProtocolError(f"a transfer of {size} bytes was announced where {limit} fit")
        self._prepare = frame
        self._expected = size
        return Verdict.PART if self._ordered else self._whole_unordered()

    def _accept_data(self, frame: Frame) -> Verdict:
        previous, self._previous = self._previous, frame
        if not frame.data and self._expected is not None:
            return Verdict.STRAY
        if (
            previous is not None
            and frame.session == previous.session
            and frame.data == previous.data
        ):
            # The packet index did not move on: the same packet twice. Should it have been two
            # equal packets of a terminal that does not count, the sum falls short and says so.
            return Verdict.STRAY
        self._got += len(frame.data)
        if self._expected is None:
            if self._wanted is None:
                return Verdict.LAST
            self._check_sum(self._wanted)
            return Verdict.LAST if self._got == self._wanted else Verdict.PART
        self._check_sum(self._expected)
        return Verdict.PART

    def _check_sum(self, limit: int) -> None:
        if self._got > limit:
            raise ZKProtocolError(f"{self._got} bytes arrived where {limit} were announced")

    # --- without order: everything is collected, and judged by packet index ---

    def _collect(self, frame: Frame) -> Verdict:
        if any(part.session == frame.session for part in self._parts):
            return Verdict.STRAY
        self._got += len(frame.data)
        self._check_sum(MAX_REPLY_BYTES if self._wanted is None else self._wanted)
        self._parts.append(frame)
        return self._whole_unordered()

    def _accept_end_unordered(self, frame: Frame) -> Verdict:
        ends_transfer = frame.cmd == CMD_ACK_OK and not frame.data
        if ends_transfer and self.command in BULK_COMMANDS:
            self._last = frame
            return self._whole_unordered()
        self._prepare, self._parts = None, [frame]
        self._expected = None
        return Verdict.LAST

    def _whole_unordered(self) -> Verdict:
        return Verdict.LAST if self._is_whole() else Verdict.PART

    def _is_whole(self) -> bool:
        if not self._parts:
            return self._expected == 0
        if self._parts[0].cmd != CMD_DATA:
            return True
        expected = self._expected if self._expected is not None else self._inline_size()
        return expected is not None and self._got == expected and _contiguous(self._parts)

    @property
    def complete(self) -> bool:
        """Whether the collected answer is whole, now that nothing more comes.

        A bare ACK_OK says that there is no portrait or template; of a slice it is the end, and
        what it ends was lost. Meaningful without order only.
        """
        bare = self._last is not None and self._prepare is None and not self._parts
        return self._is_whole() or (bare and self.command not in _ALWAYS_DATA)

    def _inline_size(self) -> int | None:
        # A single DATA without PREPARE_DATA: only its own content says whether it is all.
        if self._wanted is not None:
            return self._wanted
        first = self._parts[0]
        if self.command != CMD_PREPARE_BUFFER or len(self._parts) > 1:
            return None
        if len(first.data) < _U32.size:
            return len(first.data)
        (size,) = _U32.unpack_from(first.data)
        # More than one packet can hold cannot be inline: its PREPARE_DATA is still to come.
        return len(first.data) if size + _U32.size <= len(first.data) else None

    def answer(self) -> list[Frame]:
        """Return the collected frames in their order; meaningful without order only."""
        parts = self._parts
        if parts and parts[0].cmd == CMD_DATA:
            parts = sorted(parts, key=lambda part: part.session)
        return [frame for frame in (self._prepare, *parts, self._last) if frame is not None]


def _wanted(command: int, data: bytes) -> int | None:
    if command != CMD_READ_BUFFER or len(data) != _CHUNK.size:
        return None
    return max(0, int(_CHUNK.unpack(data)[1]))


def _contiguous(parts: Iterable[Frame]) -> bool:
    # Whether the index starts anew with every chunk or runs on is not known (protocol.md 5.4):
    # without gaps and with the right sum, both are right.
    ordered = sorted(parts, key=lambda part: part.session)
    first = ordered[0].session
    if any(part.session != first + number for number, part in enumerate(ordered)):
        return False
    return len({len(part.data) for part in ordered[:-1]}) <= 1
