"""Finds terminals on the local network: one gentle probe and a clean goodbye for each address.

Only private ranges are ever asked. An address that takes a TCP connection is greeted there, all
others get one datagram, since old terminals speak UDP only.
"""

import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from struct import Struct
from typing import Final, Literal

from zkbridge.zk import ZKAuthFailed, ZKBusy, ZKDevice, ZKError, ZKUnreachable
from zkbridge.zk.framing import build_packet, parse_packet
from zkbridge.zk.opcodes import CMD_ACK_OK, CMD_ACK_UNAUTH, CMD_CONNECT, CMD_EXIT

Network = ipaddress.IPv4Network

TERMINAL_PORT: Final = 4370
# Beyond this many addresses a person is asked first.
GENTLE_ADDRESSES: Final = ipaddress.ip_network("10.0.0.0/22").num_addresses
_PRIVATE: Final = tuple(
    map(
        ipaddress.IPv4Network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"),
    )
)
_AT_ONCE: Final = 64
_DATAGRAMS_AT_ONCE: Final = 64
_ROUTES: Final = Path("/proc/net/route")
_ROUTE_UP: Final = 0x1
_LOOPBACK: Final = ipaddress.IPv4Network("127.0.0.0/8")
_U32: Final = Struct("<L")
_LARGEST_DATAGRAM: Final = 2048


@dataclass(frozen=True, slots=True)
class Found:
    """Something that answered.

    Attributes:
        needs_key: It wants a comm key before it says anything about itself.
        problem: Why it said nothing else; None: it is a terminal.
    """

    host: str
    port: int
    transport: Literal["tcp", "udp"]
    serial: str | None = None
    name: str | None = None
    firmware: str | None = None
    needs_key: bool = False
    problem: str | None = None


def network(text: str) -> Network:
    """Read a network like 192.168.1.0/24, or one address.

    Raises:
        ValueError: It is none, or not private.
    """
    try:
        found = ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network; one is like 192.168.1.0/24") from error
    if not any(found.subnet_of(private) for private in _PRIVATE):
        raise ValueError(f"{found} is not a private network; only those are searched")
    return found


def local_networks(routes: Path = _ROUTES) -> list[Network]:
    """Return the private networks that this machine is directly part of."""
    found: list[Network] = []
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return found
    for line in lines:
        _, destination, gateway, flags, _, _, _, mask, *_ = line.split()
        if int(gateway, 16) or not int(flags, 16) & _ROUTE_UP or not int(mask, 16):
            continue
        address, netmask = (
            ipaddress.IPv4Address(_U32.pack(int(text, 16))) for text in (destination, mask)
        )
        candidate = ipaddress.IPv4Network(f"{address}/{netmask}", strict=False)
        private = any(candidate.subnet_of(each) for each in _PRIVATE)
        if private and not candidate.subnet_of(_LOOPBACK) and candidate not in found:
            found.append(candidate)
    return found


def addresses(networks: Iterable[Network]) -> list[str]:
    """Return every address that a terminal can have there, each once."""
    return list(dict.fromkeys(str(host) for each in networks for host in each.hosts()))


def search(
    hosts: Sequence[str],
    *,
    port: int = TERMINAL_PORT,
    timeout_s: float = 1.0,
    step: Callable[[], None] = lambda: None,
) -> Iterator[Found]:
    """Ask every address; yields what answers, TCP first.

    Args:
        hosts: Where to look.
        port: The port terminals listen on.
        timeout_s: How long one address may take to answer the first time.
        step: Called once for each address, from any thread.
    """
    silent: list[str] = []

    def ask(host: str) -> Found | None:
        try:
            return _ask_tcp(host, port, timeout_s)
        finally:
            step()

    with ThreadPoolExecutor(_AT_ONCE, "discover") as pool:
        for host, found in zip(hosts, pool.map(ask, hosts), strict=True):
            if found is None:
                silent.append(host)
            else:
                yield found
    yield from _ask_udp(silent, port, timeout_s)


def _ask_tcp(host: str, port: int, timeout_s: float) -> Found | None:
    found = Found(host, port, "tcp")
    try:
        return _introduced(found, timeout_s)
    except ZKBusy:
        return replace(found, problem="takes the connection and answers nothing: busy?")
    except ZKUnreachable:
        return None


def _introduced(found: Found, timeout_s: float) -> Found:
    """Ask a terminal who it is; one connection, closed as the protocol wants it."""
    device = ZKDevice(found.host, found.port, 0, timeout_s, kind=found.transport, handshake=False)
    try:
        with device:
            return replace(
                found,
                serial=device.serial or None,
                name=device.capabilities.get("~DeviceName"),
                firmware=device.firmware or None,
            )
    except ZKAuthFailed:
        return replace(found, needs_key=True)
    except ZKUnreachable:
        raise
    except ZKError as error:
        return replace(found, problem=str(error))


def _ask_udp(hosts: Sequence[str], port: int, timeout_s: float) -> Iterator[Found]:
    """Greet every address with one datagram; whoever answers is asked who it is."""
    for start in range(0, len(hosts), _DATAGRAMS_AT_ONCE):
        for host in _greeted(hosts[start : start + _DATAGRAMS_AT_ONCE], port, timeout_s):
            found = Found(host, port, "udp")
            try:
                yield _introduced(found, timeout_s)
            except ZKUnreachable as error:
                yield replace(found, problem=str(error))


def _greeted(hosts: Sequence[str], port: int, timeout_s: float) -> list[str]:
    answered: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for host in hosts:
            with contextlib.suppress(OSError):  # no route to this one
                sock.sendto(build_packet(CMD_CONNECT, b"", 0, 0), (host, port))
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and len(answered) < len(hosts):
            sock.settimeout(left)
            try:
                packet, (host, *_) = sock.recvfrom(_LARGEST_DATAGRAM)
                frame = parse_packet(packet)
            except TimeoutError:
                break
            except (OSError, ZKError):
                continue  # a port that is closed, or something else that listens there
            if frame.cmd in {CMD_ACK_OK, CMD_ACK_UNAUTH} and host in hosts:
                answered.append(host)
                with contextlib.suppress(OSError):
                    sock.sendto(build_packet(CMD_EXIT, b"", frame.session, 1), (host, port))
    return list(dict.fromkeys(answered))
