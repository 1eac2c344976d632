"""Records the packets of a session that reads everything a terminal has."""

from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from types import MappingProxyType
from typing import Final, Literal

from zkbridge.asking import answered
from zkbridge.simulator import RecordedPacket
from zkbridge.zk import ZKDevice, ZKError, ZKUnreachable
from zkbridge.zk.transport import SocketTransport
from zkbridge.zk.wire import TcpWire, UdpWire, Wire

Step = Callable[[str, str | None], None]

_PORTRAITS: Final = 3
_Kind = type[TcpWire] | type[UdpWire]
_WIRES: Final[Mapping[str, tuple[_Kind, ...]]] = MappingProxyType(
    {"tcp": (TcpWire,), "udp": (UdpWire,), "auto": (TcpWire, UdpWire)}
)


class Tape:
    """Packets in the order they cross the wire."""

    def __init__(self) -> None:
        self.packets: list[RecordedPacket] = []
        self._started = monotonic()

    def note(self, direction: Literal[">", "<"], packet: bytes) -> None:
        """Take one packet, without its TCP top."""
        self.packets.append(RecordedPacket(direction, packet, monotonic() - self._started))

    def wire(self, kind: _Kind) -> Callable[[], Wire]:
        """Return a maker of wires of that kind that are recorded."""
        tape = self

        class Recorded(kind):  # type: ignore[misc, valid-type]  # the kind is chosen at run time
            def send(self, packet: bytes, timeout_s: float) -> None:
                super().send(packet, timeout_s)
                tape.note(">", packet)

            def receive(self, deadline: float, wake: int | None = None) -> bytes | None:
                packet: bytes | None = super().receive(deadline, wake)
                if packet is not None:
                    tape.note("<", packet)
                return packet

        return Recorded


def record(
    host: str,
    port: int,
    password: int,
    timeout_s: float,
    *,
    kind: Literal["auto", "tcp", "udp"] = "auto",
    step: Step = lambda _what, _failed: None,
) -> tuple[list[RecordedPacket], Literal["tcp", "udp"]]:
    """Read everything and return what crossed the wire, people and all.

    Args:
        host: Address of the terminal.
        port: Its port.
        password: Comm key.
        timeout_s: How long one frame may take.
        kind: How to reach it.
        step: Told of each thing read, and why it failed where it did: such a failure is what
            recordings are made for.

    Raises:
        ZKError: There is no session at all.
    """
    tape = Tape()
    wires = tuple(tape.wire(each) for each in _WIRES[kind])
    transport = SocketTransport(host, port, timeout_s, password, wires=wires)
    with ZKDevice(host, transport=transport, handshake=False) as device:
        spoken: Literal["tcp", "udp"] = "udp" if transport.is_udp else "tcp"
        for what, read in _everything(device):
            try:
                answered(device, read)
                step(what, None)
            except ZKUnreachable as error:
                step(what, str(error))
                break
            except ZKError as error:
                step(what, str(error))
    return tape.packets, spoken


def _everything(device: ZKDevice) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "identity", device.device_info
    yield "clock", device.clock
    yield "users", device.users
    yield "punches", lambda: sum(1 for _ in device.read_log("punches"))
    yield "operations", lambda: sum(1 for _ in device.read_log("operations"))
    yield "fingerprints", device.fingerprint_templates
    yield "faces", device.face_templates
    yield "portraits", lambda: _portraits(device)
    yield "live events", device.register_events


def _portraits(device: ZKDevice) -> None:
    for user in device.users()[:_PORTRAITS]:
        device.user_photo(user.user_id)
