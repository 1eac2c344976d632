"""A recorded session with nobody in it: names, ids, PINs, cards, templates, serials, addresses.

Lengths and structure stay, so that what confuses a client still does. What is in no table or
answer that is understood becomes noise: an anonymised recording errs on the side of silence.
No I/O.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from struct import Struct
from types import MappingProxyType
from typing import Final

from zkbridge.capture.pseudonyms import Pseudonyms
from zkbridge.simulator import RecordedPacket
from zkbridge.zk import Capacity, ZKProtocolError
from zkbridge.zk.codecs import OPLOG_16, Layout, decode_capacity, decode_time
from zkbridge.zk.framing import Frame, build_packet, parse_packet
from zkbridge.zk.layouts import attendance_layout, user_layout
from zkbridge.zk.opcodes import (
    CMD_ACK_OK,
    CMD_ATTLOG_RRQ,
    CMD_CONNECT,
    CMD_DATA,
    CMD_DB_RRQ,
    CMD_EXIT,
    CMD_FACE_RRQ,
    CMD_FREE_DATA,
    CMD_GET_FREE_SIZES,
    CMD_GET_TIME,
    CMD_GET_VERSION,
    CMD_OPLOG_RRQ,
    CMD_OPTIONS_RRQ,
    CMD_OPTIONS_WRQ,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REFRESHDATA,
    CMD_REG_EVENT,
    CMD_USER_PHOTO,
    CMD_USERTEMP_RRQ,
    FCT_ATTLOG,
    FCT_FINGERTMP,
    FCT_OPLOG,
    FCT_USER,
    EventFlag,
)

_REQUEST: Final = Struct("<bhii")
_CHUNK: Final = Struct("<ii")
_TEMPLATE: Final = Struct("<HHBB")
_U32: Final = Struct("<I")
_TEXT_EVENT: Final = 32
_EVENT_ID_BYTES: Final = 24
_FACE_BY_ID: Final = 28
_PORTRAIT: Final = b".jpg\0"
_VERSION: Final = b"Ver "  # what every firmware text starts with
_LARGEST_NUMBER: Final = 1 << 24  # of sizes and counts; four letters make a larger one
_LARGEST: Final = 0xFFFFFFFF
_LARGEST_SHORT: Final = 0xFFFF
_NUMBERED_EVENT: Final = 12
_USERS: Final = {(CMD_USERTEMP_RRQ, FCT_USER), (CMD_DB_RRQ, FCT_USER)}
_PUNCHES: Final = {(CMD_ATTLOG_RRQ, 0), (CMD_DB_RRQ, FCT_ATTLOG)}
_OPERATIONS: Final = {(CMD_OPLOG_RRQ, 0), (CMD_DB_RRQ, FCT_OPLOG)}
_FINGERPRINTS: Final = {(CMD_DB_RRQ, FCT_FINGERTMP)}
# Answers that tell of the device and of nobody, and how many bytes of them are known to.
_HARMLESS: Final[Mapping[int, int]] = MappingProxyType(
    {
        CMD_CONNECT: 0,
        CMD_EXIT: 0,
        CMD_FREE_DATA: 0,
        CMD_GET_FREE_SIZES: 92,
        CMD_OPTIONS_WRQ: 0,
        CMD_REFRESHDATA: 0,
        CMD_REG_EVENT: 0,
    }
)
_PREPARED_BYTES: Final = 13  # of the answer that tells a table's size
_ANNOUNCED_BYTES: Final = 4  # of a transfer's announcement
# Requests that name nobody, in the lengths they have.
_PLAIN_REQUESTS: Final[Mapping[int, int]] = MappingProxyType(
    {
        CMD_FACE_RRQ: 3,  # the form that has the internal index
        CMD_PREPARE_BUFFER: 11,
        CMD_READ_BUFFER: 8,
        CMD_REG_EVENT: 4,
    }
)
# Operations whose parameters are internal indexes, results and sizes; others may tell a comm key
# or an address. Source: protocol.md 8.2.
_PLAIN_OPERATIONS: Final = frozenset({3, *range(6, 13), 14, 20, 30, 32, 34})
_LAST_OPERATION: Final = 126
_STRANGE_SHARE: Final = 10  # one of so many may be: a clock was set, a date is impossible
_NEWEST_YEAR: Final = 2045  # text taken for a time is often later
_SHORT_EVENTS: Final[Mapping[int, Struct]] = MappingProxyType(
    {10: Struct("<H8s"), 12: Struct("<I8s"), 14: Struct("<H8s4x")}
)
_HARMLESS_OPTIONS: Final = frozenset(
    (
        *(b"FirmVer", b"~Platform", b"~DeviceName", b"~OEMVendor", b"~ZKFPVersion"),
        *(b"ZKFaceVersion", b"FingerFunOn", b"FaceFunOn", b"~PIN2Width", b"SDKBuild"),
    )
)
_KNOWN_OPTIONS: Final = _HARMLESS_OPTIONS | {b"~SerialNumber", b"MAC"}
_KNOWN_TEXTS: Final[Mapping[int, Collection[bytes]]] = MappingProxyType(
    {CMD_OPTIONS_RRQ: _KNOWN_OPTIONS, CMD_OPTIONS_WRQ: {b"SDKBuild=0", b"SDKBuild=1"}}
)


@dataclass(slots=True)
class _Table:
    """One table as it crossed the wire.

    Attributes:
        name: Command and kind that asked for it.
        parts: Where each frame's data lies in it: packet, start, length.
        last: Request and index of the newest frame.
        torn: Frames came twice, out of order or with gaps: what lies where is not known.
    """

    name: tuple[int, int]
    content: bytearray = field(default_factory=bytearray)
    parts: list[tuple[int, int, int]] = field(default_factory=list)
    last: tuple[int, int] | None = None
    torn: bool = False

    def add(self, packet: int, start: int, frame: Frame) -> None:
        self.torn |= start != len(self.content)
        if self.last is not None and self.last[0] == frame.reply:
            self.torn |= frame.session != self.last[1] + 1
        self.last = frame.reply, frame.session
        self.parts.append((packet, len(self.content), len(frame.data)))
        self.content += frame.data


def anonymised(
    packets: Iterable[RecordedPacket], pseudonyms: Pseudonyms | None = None
) -> list[RecordedPacket]:
    """Return the same session with invented people on an invented terminal."""
    return _Session(list(packets), pseudonyms or Pseudonyms()).anonymised()


class _Session:
    def __init__(self, packets: list[RecordedPacket], pseudonyms: Pseudonyms) -> None:
        self._packets = packets
        self._frames = [parse_packet(each.packet) for each in packets]
        self._pseudonyms = pseudonyms
        self._tables: list[_Table] = []
        self._requests: dict[int, Frame] = {}
        self._asked_of: dict[int, _Table] = {}
        self._harmless: list[int] = []
        self._position: dict[int, int] = {}
        self._counts = Capacity()

    def anonymised(self) -> list[RecordedPacket]:
        for index, (entry, frame) in enumerate(zip(self._packets, self._frames, strict=True)):
            if entry.direction == ">":
                data = self._request(frame)
            elif frame.cmd == CMD_REG_EVENT:
                data = self._event(frame)
            else:
                data = self._answer(index, frame)
            self._frames[index] = replace(frame, data=data)
        for table in self._tables:
            self._put_back(table, self._table(table))
        for index in self._harmless:
            frame = self._frames[index]
            self._frames[index] = replace(frame, data=self._pseudonyms.scrubbed(frame.data))
        return [
            replace(entry, packet=build_packet(frame.cmd, frame.data, frame.session, frame.reply))
            for entry, frame in zip(self._packets, self._frames, strict=True)
        ]

    # What goes to the terminal

    def _request(self, frame: Frame) -> bytes:
        if frame.cmd == CMD_ACK_OK:
            return bytes(len(frame.data))
        self._requests[frame.reply] = frame
        self._position.pop(frame.reply, None)
        if frame.cmd == CMD_PREPARE_BUFFER:
            self._tables.append(_Table(_name(frame.data)))
        if frame.cmd in {CMD_PREPARE_BUFFER, CMD_READ_BUFFER} and self._tables:
            self._asked_of[frame.reply] = self._tables[-1]
        if frame.cmd == CMD_USER_PHOTO:
            user_id = frame.data.removesuffix(_PORTRAIT)
            if len(user_id) < len(frame.data):
                return self._pseudonyms.user_id(user_id) + _PORTRAIT
        if frame.cmd == CMD_FACE_RRQ and len(frame.data) == _FACE_BY_ID:
            return self._with_id(frame.data, 0)
        if frame.data.rstrip(b"\0") in _KNOWN_TEXTS.get(frame.cmd, ()):
            return frame.data
        if len(frame.data) == _PLAIN_REQUESTS.get(frame.cmd, 0):
            return frame.data
        return bytes(len(frame.data))  # of a comm key's scramble, too: it can be computed back

    def _with_id(self, data: bytes, start: int) -> bytes:
        end = start + _EVENT_ID_BYTES
        return data[:start] + self._pseudonyms.field(data[start:end], is_id=True) + data[end:]

    # What comes from it

    def _event(self, frame: Frame) -> bytes:
        data = frame.data
        if frame.session != EventFlag.ATTLOG:
            return bytes(len(data))
        if len(data) >= _TEXT_EVENT:
            head = self._pseudonyms.field(data[:_EVENT_ID_BYTES], is_id=True)
            behind = data[_EVENT_ID_BYTES:_TEXT_EVENT]
            return head + behind + bytes(len(data) - _TEXT_EVENT)
        short = _SHORT_EVENTS.get(len(data))
        if short is None:
            return bytes(len(data))
        number, rest = short.unpack(data)
        largest = _LARGEST if len(data) == _NUMBERED_EVENT else _LARGEST_SHORT
        return short.pack(self._pseudonyms.number(number, largest), rest)

    def _answer(self, index: int, frame: Frame) -> bytes:
        request = self._requests.get(frame.reply)
        if request is None:
            return bytes(len(frame.data))
        if request.cmd in {CMD_PREPARE_BUFFER, CMD_READ_BUFFER}:
            return self._table_part(index, frame, request)
        if frame.cmd == CMD_PREPARE_DATA:
            return _numbers(frame.data, 0, _ANNOUNCED_BYTES)
        if frame.cmd == CMD_DATA:
            return self._pseudonyms.noise(frame.data)
        return self._told(index, frame, request)

    def _told(self, index: int, frame: Frame, request: Frame) -> bytes:
        if request.cmd == CMD_GET_FREE_SIZES:
            self._counts = decode_capacity(frame.data)
        if request.cmd in _HARMLESS:
            return _numbers(frame.data, 0, _HARMLESS[request.cmd])
        if request.cmd == CMD_GET_TIME:
            return _head(frame.data, _U32.size)
        if request.cmd == CMD_OPTIONS_RRQ:
            return self._option(index, frame.data, request.data.rstrip(b"\0"))
        if request.cmd == CMD_GET_VERSION:
            if not frame.data.startswith(_VERSION):
                return self._pseudonyms.noise(frame.data)
            self._harmless.append(index)
            return _until_nul(frame.data)
        return self._pseudonyms.noise(frame.data)

    def _table_part(self, index: int, frame: Frame, request: Frame) -> bytes:
        if frame.cmd != CMD_DATA:
            if frame.cmd == CMD_PREPARE_DATA:
                return _numbers(frame.data, 0, _ANNOUNCED_BYTES)
            prepared = frame.cmd == CMD_ACK_OK and request.cmd == CMD_PREPARE_BUFFER
            return _numbers(frame.data, 1, _PREPARED_BYTES if prepared else 0)
        table = self._asked_of.get(frame.reply)
        start = self._position.get(frame.reply)
        if start is None:
            start = 0
            if request.cmd == CMD_READ_BUFFER and len(request.data) == _CHUNK.size:
                start = _CHUNK.unpack(request.data)[0]
        self._position[frame.reply] = start + len(frame.data)
        if table is None:
            return self._pseudonyms.noise(frame.data)
        table.add(index, start, frame)
        return frame.data

    def _option(self, index: int, data: bytes, asked: bytes) -> bytes:
        name, equals, value = data.partition(b"=")
        if not equals or name != asked:
            return bytes(len(data))
        if name in _HARMLESS_OPTIONS:
            self._harmless.append(index)
            return _until_nul(data)
        text, end, _ = value.partition(b"\0")
        replaced = self._pseudonyms.text(text)
        return (name + equals + replaced + end).ljust(len(data), b"\0")

    # Tables

    def _table(self, table: _Table) -> bytes:
        content = bytes(table.content)
        anonymise: Callable[[bytes], bytes] = self._pseudonyms.noise
        if table.torn:
            return self._pseudonyms.noise(content)
        if table.name in _USERS:
            anonymise = self._users
        elif table.name in _PUNCHES:
            anonymise = self._punches
        elif table.name in _OPERATIONS:
            anonymise = self._operations
        elif table.name in _FINGERPRINTS:
            anonymise = self._fingerprints
        head, records = content[: _U32.size], content[_U32.size :]
        return _numbers(head, 0, len(head)) + anonymise(records)

    def _operations(self, records: bytes) -> bytes:
        layout = OPLOG_16
        if not _is_log(records, layout):
            return self._pseudonyms.noise(records)
        replaced = bytearray()
        whole = len(records) // layout.size * layout.size
        for at in range(0, whole, layout.size):
            admin, op, raw_time, *params = layout.struct.unpack_from(records, at)
            told = params if op in _PLAIN_OPERATIONS else [0] * len(params)
            replaced += layout.struct.pack(admin, op, raw_time, *told)
        return bytes(replaced) + self._pseudonyms.noise(records[whole:])

    def _users(self, records: bytes) -> bytes:
        try:
            layout = user_layout(records, self._counts.users)
        except ZKProtocolError:
            return self._pseudonyms.noise(records)
        return self._mapped(records, layout, self._user)

    def _user(self, fields: dict[str, int | bytes]) -> None:
        for name, value in fields.items():
            if isinstance(value, bytes):
                fields[name] = self._pseudonyms.field(value, is_id=name == "user_id")
        if "number" in fields:
            fields["number"] = self._pseudonyms.number(int(fields["number"]), _LARGEST)
        if "card" in fields:
            fields["card"] = self._pseudonyms.card(int(fields["card"]))

    def _punches(self, records: bytes) -> bytes:
        try:
            layout = attendance_layout(records, len(records), self._counts.punches, _NEWEST_YEAR)
        except ZKProtocolError:
            return self._pseudonyms.noise(records)
        named = "user_id" in layout.fields or "number" in layout.fields
        if not named and not _is_log(records, layout):
            return self._pseudonyms.noise(records)  # everything in such records is kept
        return self._mapped(records, layout, self._punch)

    def _punch(self, fields: dict[str, int | bytes]) -> None:
        user_id = fields.get("user_id")
        if isinstance(user_id, bytes):
            fields["user_id"] = self._pseudonyms.field(user_id, is_id=True)
        if "number" in fields:
            fields["number"] = self._pseudonyms.number(int(fields["number"]), _LARGEST)

    def _mapped(
        self, records: bytes, layout: Layout, change: Callable[[dict[str, int | bytes]], None]
    ) -> bytes:
        replaced = bytearray()
        whole = len(records) // layout.size * layout.size
        for values in layout.struct.iter_unpack(records[:whole]):
            fields = dict(zip(layout.fields, values, strict=True))
            change(fields)
            replaced += layout.struct.pack(*fields.values())
        return bytes(replaced) + self._pseudonyms.noise(records[whole:])

    def _fingerprints(self, records: bytes) -> bytes:
        replaced, at = bytearray(), 0
        while at + _TEMPLATE.size <= len(records):
            size = _TEMPLATE.unpack_from(records, at)[0]
            head = at + _TEMPLATE.size
            if size < _TEMPLATE.size:
                break
            replaced += records[at:head] + self._pseudonyms.noise(records[head : at + size])
            at += size
        return bytes(replaced) + self._pseudonyms.noise(records[len(replaced) :])

    def _put_back(self, table: _Table, content: bytes) -> None:
        for packet, start, length in table.parts:
            data = content[start : start + length]
            self._frames[packet] = replace(self._frames[packet], data=data)


def _is_log(records: bytes, layout: Layout) -> bool:
    """Tell whether codes and times are such as a log has: few strange ones, mostly in order."""
    strange = total = newest = 0
    time_at = layout.fields.index("raw_time")
    code_at = layout.fields.index("op") if "op" in layout.fields else None
    for values in layout.struct.iter_unpack(records[: len(records) // layout.size * layout.size]):
        raw_time = int(values[time_at])
        moment = decode_time(raw_time)
        known = moment is not None and moment.year <= _NEWEST_YEAR and raw_time >= newest
        strange += not known or (code_at is not None and values[code_at] > _LAST_OPERATION)
        newest, total = raw_time, total + 1
    return strange * _STRANGE_SHARE <= total


def _numbers(data: bytes, start: int, end: int) -> bytes:
    """Keep the u32s between, where they are small enough for sizes and counts; blank the rest."""
    kept = bytearray(len(data))
    for at in range(start, min(end, len(data)) - _U32.size + 1, _U32.size):
        if _U32.unpack_from(data, at)[0] < _LARGEST_NUMBER:
            kept[at : at + _U32.size] = data[at : at + _U32.size]
    return bytes(kept)


def _head(data: bytes, size: int) -> bytes:
    """Keep what is known to be harmless, blank the rest."""
    return data[:size].ljust(len(data), b"\0")


def _until_nul(data: bytes) -> bytes:
    """Keep a text, blank what an earlier, longer one left behind it."""
    return data.partition(b"\0")[0].ljust(len(data), b"\0")


def _name(data: bytes) -> tuple[int, int]:
    if len(data) != _REQUEST.size:
        return 0, 0
    _, command, kind, _ = _REQUEST.unpack(data)
    return command, kind
