"""Why there is no connection to the broker: one line that says what to do. Pure."""

import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNSUPPORTED_PROTOCOL: Final = 0x84

_CREDENTIALS = "the broker does not accept this user; check mqtt.username and mqtt.password"
_CLIENT_ID = "the broker does not accept this client id; set another mqtt.client_id"
# Source: MQTT 5.0 section 3.2.2.2; paho translates the 3.1.1 codes to these.
_REFUSALS = {
    0x84: "the broker does not speak this MQTT version; set mqtt.protocol to auto or 3.1.1",
    0x85: _CLIENT_ID,
    0x86: _CREDENTIALS,
    0x87: _CREDENTIALS,
    0x88: "the broker says it is unavailable; it is tried again",
    0x89: "the broker says it is busy; it is tried again",
    0x8A: "the broker has banned this client; ask whoever runs it",
    0x97: "the broker's quota for this client is used up; it is tried again",
    0x9F: "the broker says: too many connections in a short time; it is tried again",
}
# Source: MQTT 5.0 section 3.14.2.1.
_DISCONNECTIONS = {
    0x8B: "the broker is shutting down",
    0x8D: "the broker and the bridge heard nothing from each other in time",
    0x8E: "another client uses the same client id; every bridge needs its own mqtt.client_id",
    0x95: "the broker found a message too large",
    0x98: "an administrator of the broker closed the connection",
}


class Trouble(StrEnum):
    """What kind of trouble it is, for those who act on it."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    PASSWORD = "password"  # noqa: S105 - names the trouble, is no secret
    TLS = "tls"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is no connection.

    Attributes:
        text: One line: what, and what to do.
        code: MQTT reason code, where the broker gave one.
    """

    trouble: Trouble
    text: str
    code: int | None = None


def connect_cause(error: Exception, host: str, port: int) -> Cause:
    """Explain why no connection could be opened."""
    where = f"the MQTT broker at {host}:{port}"
    return _tls_cause(error, where) or _network_cause(error, where, host)


def _tls_cause(error: Exception, where: str) -> Cause | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of {where} is not trusted ({error.verify_message})"
        return Cause(Trouble.TLS, f"{text}; check mqtt.host and mqtt.tls.ca_file")
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "no reason given").replace("_", " ").lower()
        text = f"TLS with {where} failed ({reason})"
        return Cause(Trouble.TLS, f"{text}; check mqtt.port and the files under mqtt.tls")
    if isinstance(error, OSError) and error.filename is not None:
        text = f"cannot read {error.filename}: {error.strerror}; check mqtt.tls"
        return Cause(Trouble.TLS, text)
    return None


def _network_cause(error: Exception, where: str, host: str) -> Cause:
    if isinstance(error, socket.gaierror | UnicodeError):
        return Cause(Trouble.UNREACHABLE, f"no such host as {host!r}; check mqtt.host")
    if isinstance(error, ConnectionRefusedError):
        text = f"{where} refused the connection; is it running, is mqtt.port right?"
        return Cause(Trouble.UNREACHABLE, text)
    if isinstance(error, TimeoutError):
        text = f"{where} does not answer; check mqtt.host, the network and firewalls"
        return Cause(Trouble.UNREACHABLE, text)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = f"{where} cannot be reached ({reason.lower()}); check mqtt.host and mqtt.port"
    return Cause(Trouble.UNREACHABLE, text)


def refusal_cause(code: int, name: str) -> Cause:
    """Explain the broker's answer to CONNECT."""
    trouble = Trouble.PASSWORD if _REFUSALS.get(code) == _CREDENTIALS else Trouble.REFUSED
    text = _REFUSALS.get(code, f"the broker refused the connection: {name}")
    return Cause(trouble, text, code)


def silence_cause(host: str, port: int) -> Cause:
    """Explain a connection that was closed, or stayed silent, before the broker's answer."""
    text = f"{host}:{port} does not answer like an MQTT broker; check mqtt.port and mqtt.transport"
    return Cause(Trouble.REFUSED, text)


def loss_cause(code: int | None, name: str) -> Cause:
    """Explain why an established connection ended.

    Args:
        code: From the broker's DISCONNECT; None where it sent none.
        name: The code's name.
    """
    if code is None:
        return Cause(Trouble.LOST, "the connection to the broker was lost")
    text = _DISCONNECTIONS.get(code, f"the broker closed the connection: {name}")
    return Cause(Trouble.LOST, text, code)
