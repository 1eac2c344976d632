"""Stable identities: of terminals, people and records. Pure.

The same record has the same id seen live, polled, replayed, after any crash, restart, rename
or reinstall (contract 4); changing anything here republishes everybody's history.
"""

import re
from hashlib import blake2b

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def normal_mac(text: str | None) -> str | None:
    """Return a MAC address in lower case with colons; None where it is none or degenerate."""
    mac = (text or "").strip().lower().replace("-", ":")
    if not _MAC.fullmatch(mac) or len(set(mac.replace(":", ""))) == 1:
        return None
    return mac


def normal_serial(text: str | None) -> str | None:
    """Return a serial number; None where it is absent or all its characters are equal."""
    serial = (text or "").strip().strip("=").strip()
    return serial if len(set(serial)) > 1 else None


def terminal_key(
    serial: str | None, mac: str | None, host: str, port: int, *, shared_serial: bool = False
) -> str:
    """Derive what a terminal's record ids start from.

    Args:
        serial: As told by the terminal.
        mac: As told by the terminal.
        host: As configured.
        port: As configured.
        shared_serial: Another terminal with a different MAC tells the same serial.
    """
    good_serial = normal_serial(serial)
    if good_serial and not shared_serial:
        return good_serial
    return normal_mac(mac) or f"{host}:{port}"


def user_key(user_id: str | None, uid: int | None) -> str:
    """Derive the part of a record's id that stands for the person.

    Args:
        user_id: As the log's record carries it; None where the record has only the index.
        uid: The terminal's internal index.
    """
    return user_id if user_id is not None else f"uid:{uid}"


def _digest(*parts: bytes) -> str:
    joined = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    return blake2b(joined, digest_size=12).hexdigest()


def _utf8(text: str) -> bytes:
    # Ids that are no valid UTF-8 on the terminal come as lone surrogates.
    return text.encode("utf-8", "surrogatepass")


def punch_id(key: str, person: str, raw_time: int, occurrence: int) -> str:
    """Derive a punch's id.

    Args:
        key: Terminal key.
        person: User key.
        raw_time: Packed time as stored.
        occurrence: How often the terminal's clock went back between equal earlier records.
    """
    return _digest(
        b"punch", _utf8(key), _utf8(person), raw_time.to_bytes(8, "little"), b"%d" % occurrence
    )


def operation_id(key: str, record: bytes, occurrence: int) -> str:
    """Derive an op-log entry's id from its 16-byte record, without the padding byte at 3."""
    return _digest(b"operation", _utf8(key), record[:3] + record[4:], b"%d" % occurrence)


def alarm_id(key: str, payload: bytes, seen_ns: int) -> str:
    """Derive an alarm's id; alarms are in no log, so the moment is part of it."""
    return _digest(b"alarm", _utf8(key), payload, seen_ns.to_bytes(8, "little"))
