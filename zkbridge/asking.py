"""Asking a terminal politely: the SDK handshake only where it refuses a read without.

Setting the handshake option is the one change ever made to a terminal; closing the device puts
it back (contract 5.7).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from zkbridge.zk import ZKDevice, ZKEncrypted, ZKNotSupported

_Answer = TypeVar("_Answer")


def answered(
    device: ZKDevice,
    read: Callable[[], _Answer],
    handshake: Callable[[], object] | None = None,
) -> _Answer:
    """Read something; where it is refused, once more after the handshake.

    Args:
        device: An open connection.
        read: Asks it.
        handshake: Does the handshake, for those who keep the original value; None: plainly.

    Raises:
        ZKNotSupported: It is refused all the same.
    """
    try:
        return read()
    except ZKEncrypted:
        raise
    except ZKNotSupported:
        if device.handshake_done:
            raise
        (handshake or device.session.handshake)()
        return read()


def served(device: ZKDevice, read: Callable[[], Iterable[_Answer]]) -> Iterator[_Answer]:
    """Read a table record by record; where it is refused, once more after the handshake."""

    def begun() -> tuple[list[_Answer], Iterator[_Answer]]:
        # A refusal may come with the call, or not before the first record is asked for.
        records = iter(read())
        first = next(records, None)
        return ([] if first is None else [first]), records

    head, rest = answered(device, begun)
    yield from head
    yield from rest


def reads(device: ZKDevice) -> dict[str, ZKNotSupported | None]:
    """Try each kind of read that the bridge does; what is refused comes with the refusal."""
    attempts: dict[str, Callable[[], object]] = {
        "users": device.users,
        "punches": lambda: next(iter(device.read_log("punches")), None),
        "operations": lambda: next(iter(device.read_log("operations")), None),
        "live": device.register_events,
    }
    refused: dict[str, ZKNotSupported | None] = {}
    for name, attempt in attempts.items():
        try:
            answered(device, attempt)
            refused[name] = None
        except ZKNotSupported as error:
            refused[name] = error
    return refused
