"""A terminal full of people who must not be found in a recording, and how one is made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from zkbridge.capture import anonymised, record
from zkbridge.capture.record import Tape
from zkbridge.simulator import RecordedPacket, Recording, ReplayedTerminal, SimulatedTerminal
from zkbridge.zk import Attendance, LiveEvent, OpLog, User, ZKDevice
from zkbridge.zk.framing import parse_packet
from zkbridge.zk.transport import SocketTransport, TransportKind
from zkbridge.zk.wire import TcpWire, UdpWire

PEOPLE = {
    "10023471": "Ana Souza",
    "00421733": "Zoë Świątek",
    "90517264": "Nguyễn Văn",
    "88119902": "李小龍",
}
CARD = 3137421733
COMM_KEY = 314159265
SERIAL = "OZKT7319845502"
MAC = "00:17:61:c8:7a:d3"
ADDRESS = IPv4Address("172.29.113.87")
START = datetime(2026, 1, 5, 8, 0)  # noqa: DTZ001  a wall clock
PUNCHES = 400

SECRETS = (
    *(text.encode() for text in (*PEOPLE, *PEOPLE.values(), "47119", SERIAL, MAC, str(ADDRESS))),
    *(SERIAL[4:].encode(), ADDRESS.packed, ADDRESS.packed[::-1]),
    *(b"ridges", b"features", b"portrait", b"Souza", "Świątek".encode()),
    *(number.to_bytes(4, "little") for number in (CARD, COMM_KEY, *(int(i) for i in PEOPLE))),
)


@contextmanager
def crowd(**behaviour: Any) -> Iterator[SimulatedTerminal]:  # noqa: ANN401  as the simulator's
    """Run a terminal with people, secrets everywhere, and logs."""
    options = {"MAC": MAC, "FirmVer": f"Ver 6.60 {SERIAL}", "IPAddress": str(ADDRESS)}
    with SimulatedTerminal(
        timezone=UTC, serial=SERIAL, comm_key=COMM_KEY, options=options, **behaviour
    ) as terminal:
        for uid, (user_id, name) in enumerate(PEOPLE.items(), 1):
            terminal.add_user(
                user_id,
                name,
                uid=uid,
                password="47119",
                card=CARD,
                templates={1: b"ridges" * 80},
                photo=b"\xff\xd8" + b"portrait" * 300,
                faces=(b"features" * 300,),
            )
        people = list(PEOPLE)
        for minute in range(PUNCHES):
            terminal.punch(people[minute % 4], 1, minute % 2, START + timedelta(minutes=minute))
        terminal.operate(30, 1, (2, 0, 0, 0), when=START)
        terminal.operate(76, 1, _halves(int(ADDRESS)), when=START, pad=0x4F)
        terminal.operate(80, 1, _halves(COMM_KEY), when=START)
        yield terminal


def _halves(number: int) -> tuple[int, int, int, int]:
    return number & 0xFFFF, number >> 16, int.from_bytes(number.to_bytes(4, "big")[:2], "little"), 0


def recorded(terminal: SimulatedTerminal, kind: TransportKind = "tcp") -> Recording:
    """Record everything, and anonymise it."""
    packets, spoken = record(terminal.host, terminal.port, COMM_KEY, 5.0, kind=kind)
    return Recording(tuple(anonymised(packets)), spoken)


def original(terminal: SimulatedTerminal, kind: TransportKind = "tcp") -> list[RecordedPacket]:
    """Record everything as it is, people and all."""
    return record(terminal.host, terminal.port, COMM_KEY, 5.0, kind=kind)[0]


def live_session(
    terminal: SimulatedTerminal, happen: Callable[[], object], kind: TransportKind = "tcp"
) -> tuple[list[RecordedPacket], LiveEvent]:
    """Record a session in which something happens while it listens."""
    tape = Tape()
    wire = tape.wire(UdpWire if kind == "udp" else TcpWire)
    transport = SocketTransport(terminal.host, terminal.port, 5.0, COMM_KEY, wires=(wire,))
    with ZKDevice(terminal.host, transport=transport) as device:
        device.users()
        device.register_events()
        happen()
        event = device.next_event(10)
        assert event is not None
        device.acknowledge()
    return tape.packets, event


def found(packets: Iterator[RecordedPacket] | tuple[RecordedPacket, ...]) -> list[bytes]:
    """Secrets that are in a recording, also where they lie across frames."""
    payloads = [(entry.direction, parse_packet(entry.packet).data) for entry in packets]
    apart = b"\n".join(data for _, data in payloads)
    together = b"".join(data for direction, data in payloads if direction == "<")
    return [secret for secret in SECRETS if secret in apart or secret in together]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a terminal tells about its tables."""

    users: list[User]
    punches: list[Attendance]
    operations: list[OpLog]


def replayed(recording: Recording) -> Contents:
    """Serve a recording and read it."""
    with ReplayedTerminal(recording) as terminal:
        return contents(terminal.port, recording.transport)


def contents(port: int, kind: TransportKind = "tcp") -> Contents:
    """Read the tables of a terminal."""
    with ZKDevice("127.0.0.1", port, COMM_KEY, 5.0, kind=kind, handshake=False) as device:
        return Contents(device.users(), list(device.attendance()), list(device.op_logs()))
