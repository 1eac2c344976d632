"""A recorded session with nobody in it: names, ids, PINs, cards, templates, serials, addresses.

Lengths and structure stay, so that what confuses a client still does. What is in no table or
answer that is understood becomes noise: an anonymised recording errs on the side of silence.
No I/O.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from struct import Struct
from typing import Final

from zkbridge.capture.pseudonyms import Pseudonyms
from zkbridge.simulator import RecordedPacket
from zkbridge.zk import Capacity, ZKProtocolError
from zkbridge.zk.codecs import Layout, decode_capacity
from zkbridge.zk.framing import Frame, build_packet, parse_packet
from zkbridge.zk.layouts import attendance_layout, user_layout
from zkbridge.zk.opcodes import (
    CMD_ACK_OK,
    CMD_ATTLOG_RRQ,
    CMD_AUTH,
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
)

_REQUEST: Final = Struct("<bhii")
_CHUNK: Final = Struct("<ii")
_TEMPLATE: Final = Struct("<HHBB")
_U32: Final = Struct("<I")
_TEXT_EVENT: Final = 32
_EVENT_ID_BYTES: Final = 24
_LARGEST: Final = 0xFFFFFFFF
_NEWEST_YEAR: Final = 2099
_USERS: Final = {(CMD_USERTEMP_RRQ, FCT_USER), (CMD_DB_RRQ, FCT_USER)}
_PUNCHES: Final = {(CMD_ATTLOG_RRQ, 0), (CMD_DB_RRQ, FCT_ATTLOG)}
_OPERATIONS: Final = {(CMD_OPLOG_RRQ, 0), (CMD_DB_RRQ, FCT_OPLOG)}
_FINGERPRINTS: Final = {(CMD_DB_RRQ, FCT_FINGERTMP)}
# Answers that tell of the device and of nobody.
_HARMLESS: Final = frozenset(
    {
        CMD_CONNECT,
        CMD_EXIT,
        CMD_FREE_DATA,
        CMD_GET_FREE_SIZES,
        CMD_GET_TIME,
        CMD_GET_VERSION,
        CMD_OPTIONS_WRQ,
        CMD_REFRESHDATA,
        CMD_REG_EVENT,
    }
)
_HARMLESS_OPTIONS: Final = frozenset(
    (
        *("FirmVer", "~Platform", "~DeviceName", "~OEMVendor", "~ZKFPVersion", "ZKFaceVersion"),
        *("FingerFunOn", "FaceFunOn", "~PIN2Width", "SDKBuild"),
    )
)


@dataclass(slots=True)
class _Table:
    """One table as it crossed the wire.

    Attributes:
        name: Command and kind that asked for it.
        parts: Where each frame's data lies in it: packet, start, length.
        seen: Request and index of every frame.
        torn: Frames came twice, out of order or with gaps: what lies where is not known.
    """

    name: tuple[int, int]
    content: bytearray = field(default_factory=bytearray)
    parts: list[tuple[int, int, int]] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)
    torn: bool = False

    def add(self, packet: int, start: int, frame: Frame) -> None:
        self.torn |= start != len(self.content) or (frame.reply, frame.session) in self.seen
        self.seen.add((frame.reply, frame.session))
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
        return [
            replace(entry, packet=build_packet(frame.cmd, frame.data, frame.session, frame.reply))
            for entry, frame in zip(self._packets, self._frames, strict=True)
        ]

    # What goes to the terminal

    def _request(self, frame: Frame) -> bytes:
        if frame.cmd == CMD_ACK_OK:
            return frame.data
        self._requests[frame.reply] = frame
        self._position.pop(frame.reply, None)
        if frame.cmd == CMD_PREPARE_BUFFER:
            self._tables.append(_Table(_name(frame.data)))
        if frame.cmd == CMD_AUTH:
            return bytes(len(frame.data))  # the comm key can be computed from it
        if frame.cmd == CMD_USER_PHOTO:
            user_id, dot, rest = frame.data.rpartition(b".")
            return self._pseudonyms.user_id(user_id) + dot + rest
        if frame.cmd == CMD_FACE_RRQ and len(frame.data) > _EVENT_ID_BYTES:
            return self._with_id(frame.data, 0)
        return frame.data

    def _with_id(self, data: bytes, start: int) -> bytes:
        end = start + _EVENT_ID_BYTES
        return data[:start] + self._pseudonyms.field(data[start:end], is_id=True) + data[end:]

    # What comes from it

    def _event(self, frame: Frame) -> bytes:
        if len(frame.data) >= _TEXT_EVENT:
            head = self._pseudonyms.field(frame.data[:_EVENT_ID_BYTES], is_id=True)
            behind = frame.data[_EVENT_ID_BYTES:_TEXT_EVENT]
            return head + behind + bytes(len(frame.data) - _TEXT_EVENT)
        return bytes(len(frame.data))

    def _answer(self, index: int, frame: Frame) -> bytes:
        request = self._requests.get(frame.reply)
        if request is None:
            return bytes(len(frame.data))
        if request.cmd in {CMD_PREPARE_BUFFER, CMD_READ_BUFFER}:
            return self._table_part(index, frame, request)
        if request.cmd == CMD_GET_FREE_SIZES:
            self._counts = decode_capacity(frame.data)
        if frame.cmd == CMD_PREPARE_DATA or request.cmd in _HARMLESS or not frame.data:
            return frame.data
        if request.cmd == CMD_OPTIONS_RRQ:
            return self._option(frame.data)
        return self._pseudonyms.noise(frame.data)

    def _table_part(self, index: int, frame: Frame, request: Frame) -> bytes:
        if frame.cmd != CMD_DATA:
            return frame.data  # sizes
        start = self._position.get(frame.reply)
        if start is None:
            start = _CHUNK.unpack_from(request.data)[0] if request.cmd == CMD_READ_BUFFER else 0
        self._position[frame.reply] = start + len(frame.data)
        if not self._tables:
            return self._pseudonyms.noise(frame.data)
        self._tables[-1].add(index, start, frame)
        return frame.data

    def _option(self, data: bytes) -> bytes:
        name, equals, value = data.partition(b"=")
        if not equals:
            return bytes(len(data))
        if name.decode("latin-1") in _HARMLESS_OPTIONS:
            return data
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
            return content  # indexes and codes; names nobody
        elif table.name in _FINGERPRINTS:
            anonymise = self._fingerprints
        head, records = content[: _U32.size], content[_U32.size :]
        return head + anonymise(records)

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


def _name(data: bytes) -> tuple[int, int]:
    if len(data) != _REQUEST.size:
        return 0, 0
    _, command, kind, _ = _REQUEST.unpack(data)
    return command, kind
