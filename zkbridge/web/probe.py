"""Trying a terminal's address from the page: which addresses are allowed, what to add."""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

import yaml

from zkbridge.web.params import BadParameter

_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
            "::1/128",
        ),
    )
)
_LONGEST_HOST: Final = 253
_LARGEST_PORT: Final = 65535
_TRANSPORTS: Final = ("auto", "tcp", "udp")


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalAddress:
    """Where to try a terminal.

    Attributes:
        host: A numeric address of a private network.
        typed: What the user typed.
        comm_key: As typed; never shown again.
    """

    host: str
    typed: str
    port: int = 4370
    comm_key: int = field(default=0, repr=False)
    transport: Literal["auto", "tcp", "udp"] = "auto"


# Returns status ("ok", or a trouble as in contract 4), and what of these is known: text, cure,
# name, serial, model, firmware, platform, mac, users, punches, reads ({what: true or why not}).
TerminalTest = Callable[[TerminalAddress], Mapping[str, object]]


def address_from(body: object) -> TerminalAddress:
    """Read what the page sends; resolves a name, so it may block.

    Raises:
        BadParameter: It cannot be used, or leads outside private networks.
    """
    if not isinstance(body, dict):
        raise BadParameter("an object with host and port is needed")
    host, port = body.get("host"), body.get("port", 4370)
    comm_key, transport = body.get("comm_key", 0), body.get("transport", "auto")
    if not isinstance(host, str) or not 0 < len(host) <= _LONGEST_HOST:
        raise BadParameter("host: an address like 192.168.1.201")
    if type(port) is not int or not 1 <= port <= _LARGEST_PORT:
        raise BadParameter("port: a number from 1 to 65535")
    if type(comm_key) is not int or not 0 <= comm_key <= 0xFFFFFFFF:  # noqa: PLR2004 - 32 bits
        raise BadParameter("comm_key: the number from the terminal's menu; 0: none")
    if transport not in _TRANSPORTS:
        raise BadParameter("transport: auto, tcp or udp")
    return TerminalAddress(
        host=_private(host),
        typed=host,
        port=port,
        comm_key=comm_key,
        transport=cast("Literal['auto', 'tcp', 'udp']", transport),
    )


def _private(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadParameter("host: no such name on this network") from error
    addresses = [str(entry[4][0]) for entry in found]
    # Every answer counts: a name must not lead anywhere else the next time it is asked.
    if not addresses or not all(_is_private(address) for address in addresses):
        raise BadParameter(
            "host: only addresses of private networks are tried, such as 192.168.1.201"
        )
    return addresses[0]


def _is_private(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE)


def holder(address: TerminalAddress, terminals: Iterable[Mapping[str, object]]) -> str | None:
    """Return the name of the configured terminal at that address; None: not one of ours."""
    for terminal in terminals:
        if terminal.get("port", 4370) == address.port and terminal.get("host") in {
            address.host,
            address.typed,
        }:
            return str(terminal.get("name", ""))
    return None


def yaml_to_add(address: TerminalAddress, result: Mapping[str, object]) -> str:
    """Return the lines for the configuration; the comm key has to be typed there again."""
    name = result.get("name") or result.get("model") or "New terminal"
    entry: dict[str, object] = {"name": str(name)[:64], "host": address.typed}
    if address.port != 4370:  # noqa: PLR2004 - the default of the configuration
        entry["port"] = address.port
    if address.transport != "auto":
        entry["transport"] = address.transport
    text = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=1000)
    if address.comm_key:
        text += "  comm_key: # the one that you typed\n"
    return text
