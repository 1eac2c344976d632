"""A simulated terminal's answers: one packet in, packets out. No I/O, no clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, Literal, Protocol

from zkbridge.simulator.memory import Memory
from zkbridge.simulator.records import COUNTER_QUESTIONS, free_sizes, pack_time
from zkbridge.simulator.tables import Snapshot, snapshot_of
from zkbridge.zk import opcodes as op
from zkbridge.zk.framing import HEADER_SIZE, Frame, build_packet, checksum, make_commkey

_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_HEADER: Final = Struct("<HHHH")
_BUFFER_REQUEST: Final = Struct("<bhii")
_CHUNK_REQUEST: Final = Struct("<ii")
_PREPARED: Final = Struct("<BIII")
_TEMPLATE_REQUEST: Final = Struct("<HB")
_SUM: Final = 0xFFFF

# State-changing commands that clients send around reads; they are accepted, as terminals do.
CMD_STARTVERIFY: Final = 60
CMD_STARTENROLL: Final = 61
CMD_CANCELCAPTURE: Final = 62
CMD_ENABLEDEVICE: Final = 1002
CMD_DISABLEDEVICE: Final = 1003
CMD_REFRESHOPTION: Final = 1014
_FACE_ALL: Final = 50
_FACE_INDEX: Final = 25

Transport = Literal["tcp", "udp"]


@dataclass(slots=True, eq=False)
class Link:
    """What a terminal remembers of one client: a TCP connection, or one UDP address.

    Attributes:
        transport: Decides the largest DATA frame.
        name: The client's address, for the command log.
        session: Session id, 0 before CONNECT.
        open: Connected and, where a key is asked for, authorised.
        mask: Events that the client registered for.
        snapshot: Table that CMD_PREPARE_BUFFER froze.
        table: Data of the last CMD_PREPARE_BUFFER.
        position: End of the last chunk served.
        data_index: Index of the next DATA frame of this table.
        acknowledged: Events that the client acknowledged.
        forgotten: The terminal has lost this session: code that answers everything but CONNECT.
        notes: Room for what another machine remembers of the client.
    """

    transport: Transport
    name: str = ""
    session: int = 0
    open: bool = False
    mask: int = 0
    snapshot: Snapshot | None = None
    table: bytes = b""
    position: int = 0
    data_index: int = 0
    acknowledged: int = 0
    forgotten: int | None = None
    notes: dict[str, int] = field(default_factory=dict)


class Machine(Protocol):
    """What answers packets: a terminal's memory, or a recording."""

    def answer(self, link: Link, packet: bytes) -> list[bytes]:
        """Answer one packet; the first returned packet is the reply's first."""
        ...


def event_packet(code: int, payload: bytes) -> bytes:
    """Build an unsolicited event. Source: protocol.md 10.2, captured."""
    return build_packet(op.CMD_REG_EVENT, payload, code, 0)


class Terminal:
    """One terminal: its memory behind the protocol.

    Not thread-safe: the server serialises access.
    """

    def __init__(self, memory: Memory, *, first_session: int = 0x1234) -> None:
        self.memory = memory
        self.enabled = True
        self._next_session = first_session
        self._answers: dict[int, Callable[[Link, Frame], list[bytes]]] = {
            op.CMD_CONNECT: self._connect,
            op.CMD_AUTH: self._auth,
            op.CMD_EXIT: self._exit,
            op.CMD_OPTIONS_RRQ: self._read_option,
            op.CMD_OPTIONS_WRQ: self._write_option,
            op.CMD_GET_FREE_SIZES: self._free_sizes,
            op.CMD_GET_TIME: self._time,
            op.CMD_GET_VERSION: self._version,
            op.CMD_STATE_RRQ: self._state,
            op.CMD_GET_PINWIDTH: self._pin_width,
            op.CMD_DOORSTATE_RRQ: self._door,
            op.CMD_REG_EVENT: self._register,
            op.CMD_PREPARE_BUFFER: self._prepare_buffer,
            op.CMD_READ_BUFFER: self._read_buffer,
            op.CMD_FREE_DATA: self._free_data,
            op.CMD_USERTEMP_RRQ: self._user_or_template,
            op.CMD_DB_RRQ: self._direct_read,
            op.CMD_ATTLOG_RRQ: self._direct_read,
            op.CMD_OPLOG_RRQ: self._direct_read,
            op.CMD_GET_USERTEMP: self._one_template,
            op.CMD_FACE_RRQ: self._faces,
            op.CMD_USER_PHOTO: self._photo,
            CMD_ENABLEDEVICE: self._enable,
            CMD_DISABLEDEVICE: self._disable,
        }
        for command in (CMD_CANCELCAPTURE, CMD_STARTVERIFY, op.CMD_REFRESHDATA, CMD_REFRESHOPTION):
            self._answers[command] = _acknowledge

    def answer(self, link: Link, packet: bytes) -> list[bytes]:
        """Answer one packet of a client, as it came without the TCP top."""
        if len(packet) < HEADER_SIZE:
            return []
        command, _, session, number = _HEADER.unpack_from(packet)
        request = Frame(command, session, number, packet[HEADER_SIZE:])
        refusal = self._refusal(link, command)
        if refusal is not None:
            return [build_packet(refusal, b"", 0, number)]
        if command == op.CMD_ACK_OK:
            link.acknowledged += 1
            return []
        canned = self.memory.canned
        reply = canned.get((command, request.data), canned.get((command, None)))
        if reply is not None:
            return [_reply(link, request, *reply)]
        handler = self._answers.get(command)
        if handler is None:
            return [_reply(link, request, self.memory.behaviour.unknown_reply)]
        return handler(link, request)

    def _refusal(self, link: Link, command: int) -> int | None:
        """Return the code that answers instead of the command's handler."""
        if self.memory.behaviour.refusal is not None:
            return self.memory.behaviour.refusal
        if command in {op.CMD_CONNECT, op.CMD_ACK_OK}:
            return None
        if link.forgotten is not None:
            return link.forgotten
        # What a terminal answers without a session is not known; refusing is an inference.
        return None if link.open or command == op.CMD_AUTH else op.CMD_ACK_UNAUTH

    def hears(self, link: Link, code: int) -> bool:
        """Tell whether an event goes to this client now."""
        behaviour = self.memory.behaviour
        if not self.enabled and behaviour.silent_when_disabled:
            return False
        return bool(link.open and link.mask & code & behaviour.event_mask)

    # Session. Source: protocol.md 2.

    def _connect(self, link: Link, request: Frame) -> list[bytes]:
        if not link.session:
            link.session = self._next_session
            self._next_session = self._next_session % 0xFFFE + 1
        behaviour = self.memory.behaviour
        link.forgotten = None
        link.open = not (behaviour.comm_key or behaviour.auth_always)
        return [_reply(link, request, op.CMD_ACK_OK if link.open else op.CMD_ACK_UNAUTH)]

    def _auth(self, link: Link, request: Frame) -> list[bytes]:
        ticks = request.data[2] if len(request.data) == _U32.size else 0
        expected = make_commkey(self.memory.behaviour.comm_key, link.session, ticks)
        link.open = bool(link.session) and request.data == expected
        return [_reply(link, request, op.CMD_ACK_OK if link.open else op.CMD_ACK_UNAUTH)]

    def _exit(self, link: Link, request: Frame) -> list[bytes]:
        answer = [_reply(link, request, op.CMD_ACK_OK)]
        link.open, link.mask, link.snapshot, link.session = False, 0, None, 0
        return answer

    # Small answers. Source: protocol.md 2.4, 3.3, 4, 12.

    def _read_option(self, link: Link, request: Frame) -> list[bytes]:
        name = request.data.split(b"\0", 1)[0].decode("latin-1")
        value = self.memory.options.get(name)
        if value is None:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        return [_reply(link, request, op.CMD_ACK_OK, f"{name}={value}\0".encode())]

    def _write_option(self, link: Link, request: Frame) -> list[bytes]:
        text = request.data.split(b"\0", 1)[0].decode("latin-1")
        name, found, value = text.partition("=")
        if not found:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        self.memory.options[name] = value
        return [_reply(link, request, op.CMD_ACK_OK)]

    def _free_sizes(self, link: Link, request: Frame) -> list[bytes]:
        counters = self.memory.counters()
        size = self.memory.behaviour.free_sizes_bytes
        if size == _U32.size == len(request.data):
            name = COUNTER_QUESTIONS.get(_U32.unpack(request.data)[0])
            data = _U32.pack(counters.get(name, 0) if name else 0)
        else:
            data = free_sizes(counters, size)
        return [_reply(link, request, op.CMD_ACK_OK, data)]

    def _time(self, link: Link, request: Frame) -> list[bytes]:
        raw = pack_time(self.memory.clock.read())
        return [_reply(link, request, op.CMD_ACK_OK, _U32.pack(raw))]

    def _version(self, link: Link, request: Frame) -> list[bytes]:
        text = self.memory.options.get("FirmVer", "") + "\0"
        return [_reply(link, request, op.CMD_ACK_OK, text.encode())]

    def _state(self, link: Link, request: Frame) -> list[bytes]:
        del link  # the state takes the place of its session id
        return [build_packet(op.CMD_ACK_OK, b"", self.memory.state, request.reply)]

    def _pin_width(self, link: Link, request: Frame) -> list[bytes]:
        width = int(self.memory.options.get("~PIN2Width", "9"))
        return [_reply(link, request, op.CMD_ACK_OK, bytes((width,)))]

    def _door(self, link: Link, request: Frame) -> list[bytes]:
        return [_reply(link, request, op.CMD_ACK_OK, bytes((self.memory.door_open,)))]

    def _register(self, link: Link, request: Frame) -> list[bytes]:
        if len(request.data) < _U32.size:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        link.mask = _U32.unpack_from(request.data)[0]
        return [_reply(link, request, op.CMD_ACK_OK)]

    def _enable(self, link: Link, request: Frame) -> list[bytes]:
        self.enabled = True
        return [_reply(link, request, op.CMD_ACK_OK)]

    def _disable(self, link: Link, request: Frame) -> list[bytes]:
        self.enabled = False
        return [_reply(link, request, op.CMD_ACK_OK)]

    # Tables. Source: protocol.md 5.

    def _prepare_buffer(self, link: Link, request: Frame) -> list[bytes]:
        behaviour = self.memory.behaviour
        snapshot = self._requested_table(request.data)
        if isinstance(snapshot, int):
            return [_reply(link, request, snapshot)]
        link.snapshot, link.table = snapshot, request.data
        link.position, link.data_index = 0, 0
        total = len(snapshot)
        if behaviour.streaming:
            return self._transfer(link, request, 0, total)
        inline = snapshot.size or behaviour.empty_table == "inline"
        if inline and total <= behaviour.inline_limit:
            return [build_packet(op.CMD_DATA, snapshot.slice(0, total), 0, request.reply)]
        return [_reply(link, request, op.CMD_ACK_OK, _PREPARED.pack(0, total, total, 0))]

    def _requested_table(self, data: bytes) -> Snapshot | int:
        """Return the table that CMD_PREPARE_BUFFER asks for, or the code that refuses it."""
        behaviour = self.memory.behaviour
        if not behaviour.buffered:
            return behaviour.unknown_reply
        if len(data) != _BUFFER_REQUEST.size:
            return op.CMD_ACK_ERROR_DATA
        _, command, fct, _ = _BUFFER_REQUEST.unpack(data)
        gated = behaviour.sdk_gated and self.memory.options.get("SDKBuild") != "1"
        refused = gated or (command, fct) in behaviour.refused_tables
        snapshot = None if refused else self.memory.table(command, fct)
        if snapshot is None:
            return op.CMD_ACK_ERROR
        if not snapshot.size and behaviour.empty_table == "no_data":
            return op.CMD_ACK_NO_DATA
        return snapshot

    def _read_buffer(self, link: Link, request: Frame) -> list[bytes]:
        if link.snapshot is None or len(request.data) != _CHUNK_REQUEST.size:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        start, size = _CHUNK_REQUEST.unpack(request.data)
        offsets = self.memory.behaviour.offsets
        if offsets == "refused" and start not in {0, link.position}:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        if offsets == "ignored":
            start = link.position if start else 0
        if start < 0 or size <= 0 or start >= len(link.snapshot):
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        end = min(start + size, len(link.snapshot))
        link.position = end
        if self.memory.behaviour.index_restarts:
            link.data_index = 0
        return self._transfer(link, request, start, end)

    def _transfer(self, link: Link, request: Frame, start: int, end: int) -> list[bytes]:
        """PREPARE_DATA, DATA frames, ACK_OK. Source: protocol.md 5.4, captured."""
        snapshot, behaviour = link.snapshot, self.memory.behaviour
        if snapshot is None:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        most = behaviour.max_data_tcp if link.transport == "tcp" else behaviour.max_data_udp
        packets = [
            _reply(link, request, op.CMD_PREPARE_DATA, _U32.pack(end - start) + _U32.pack(most))
        ]
        for at in range(start, end, most):
            data = snapshot.slice(at, min(at + most, end))
            header = _HEADER.pack(op.CMD_DATA, 0, link.data_index & 0xFFFF, request.reply)
            total = 2 * _SUM - checksum(header) - snapshot.sum(at, min(at + most, end), data)
            word = _SUM - (total % _SUM or _SUM)
            packets.append(header[:2] + _U16.pack(word) + header[4:] + data)
            link.data_index += 1
        if behaviour.bare_chunks and request.cmd == op.CMD_READ_BUFFER and end - start <= most:
            return packets[1:]
        packets.append(build_packet(op.CMD_ACK_OK, b"", (end - start) & 0xFFFF, request.reply))
        return packets

    def _free_data(self, link: Link, request: Frame) -> list[bytes]:
        link.snapshot, link.table = None, b""
        return [_reply(link, request, op.CMD_ACK_OK)]

    def _direct_read(self, link: Link, request: Frame) -> list[bytes]:
        """Answer a table command outside CMD_PREPARE_BUFFER. Source: protocol.md 5.1, captured."""
        behaviour = self.memory.behaviour
        fct = request.data[0] if request.data else 0
        if request.cmd == op.CMD_USERTEMP_RRQ:
            fct = op.FCT_USER
        snapshot = self.memory.table(request.cmd, fct)
        if snapshot is None or behaviour.direct_reads == "refused":
            return [_reply(link, request, behaviour.unknown_reply)]
        if behaviour.direct_reads == "stale":
            body = bytes((7 * at + 64) & 0xFF for at in range(snapshot.size))
            snapshot = snapshot_of(snapshot.head + body)
        return self._send_blob(link, request, snapshot)

    def _send_blob(self, link: Link, request: Frame, snapshot: Snapshot) -> list[bytes]:
        kept = link.snapshot, link.data_index
        link.snapshot, link.data_index = snapshot, 0
        packets = self._transfer(link, request, 0, len(snapshot))
        link.snapshot, link.data_index = kept
        return packets

    # People. Source: protocol.md 11.

    def _user_or_template(self, link: Link, request: Frame) -> list[bytes]:
        if len(request.data) == _TEMPLATE_REQUEST.size:
            return self._one_template(link, request)
        return self._direct_read(link, request)

    def _one_template(self, link: Link, request: Frame) -> list[bytes]:
        if len(request.data) < _TEMPLATE_REQUEST.size:
            return [_reply(link, request, op.CMD_ACK_ERROR_DATA)]
        uid, finger = _TEMPLATE_REQUEST.unpack_from(request.data)
        user = self.memory.user_by_uid(uid)
        template = user.templates.get(finger) if user else None
        if template is None:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        # pyzk drops one trailing byte from what terminals send here; protocol.md 11.
        trailer = b"\0" if request.cmd == op.CMD_GET_USERTEMP else b""
        return self._send_blob(link, request, snapshot_of(template + trailer))

    def _faces(self, link: Link, request: Frame) -> list[bytes]:
        if len(request.data) == _TEMPLATE_REQUEST.size:
            uid, index = _TEMPLATE_REQUEST.unpack(request.data)
            user = self.memory.user_by_uid(uid)
        else:
            user_id = request.data[:24].split(b"\0", 1)[0].decode("latin-1")
            user = self.memory.users.get(user_id)
            index = request.data[_FACE_INDEX] if len(request.data) > _FACE_INDEX else _FACE_ALL
        faces = user.faces if user else ()
        wanted = faces if index == _FACE_ALL else faces[index : index + 1]
        if not wanted:
            return [_reply(link, request, op.CMD_ACK_ERROR)]
        return self._send_blob(link, request, snapshot_of(b"".join(wanted)))

    def _photo(self, link: Link, request: Frame) -> list[bytes]:
        if not self.memory.behaviour.photos:
            return [_reply(link, request, self.memory.behaviour.unknown_reply)]
        name = request.data.split(b"\0", 1)[0].decode("latin-1")
        user = self.memory.users.get(name.removesuffix(".jpg"))
        if user is None or user.photo is None:
            return [_reply(link, request, op.CMD_ACK_NO_PHOTO)]
        packets = self._send_blob(link, request, snapshot_of(user.photo))
        size = _U32.pack(len(user.photo))
        return [_reply(link, request, op.CMD_PREPARE_DATA, size), *packets[1:]]


def _acknowledge(link: Link, request: Frame) -> list[bytes]:
    return [_reply(link, request, op.CMD_ACK_OK)]


def _reply(link: Link, request: Frame, code: int, data: bytes = b"") -> bytes:
    return build_packet(code, data, link.session, request.reply)
