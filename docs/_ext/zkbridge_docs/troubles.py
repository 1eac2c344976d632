"""What is said when something is wrong, and what helps: from where the texts are kept."""

import errno
import socket
import ssl
from typing import Final

from zkbridge.cli.failures import cure
from zkbridge.mqtt.causes import (
    Cause,
    connect_cause,
    loss_cause,
    refusal_cause,
    silence_cause,
)
from zkbridge.troubles import TROUBLES
from zkbridge.zk import (
    ZKAuthFailed,
    ZKBusy,
    ZKEncrypted,
    ZKNotATerminal,
    ZKNotSupported,
    ZKProtocolError,
    ZKUnreachable,
)
from zkbridge_docs.tables import code, table

_HOST, _PORT = "broker.lan", 1883
_UNKNOWN: Final = "?"


def terminal_troubles() -> str:
    """List every trouble of a terminal: by what is seen."""
    parts = []
    for trouble, advice in TROUBLES.items():
        parts += [
            f"{{#trouble-{trouble.value.replace('_', '-')}}}",
            f"### {advice.text}",
            "",
            f"`error`: `{trouble.value}`",
            "",
            advice.cure,
            "",
        ]
    return "\n".join(parts)


def broker_troubles() -> str:
    """List what may be said about the broker: what is seen, what to do."""
    return table(("you see", "do"), [_split(cause) for cause in _causes()])


def _causes() -> list[Cause]:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "…"
    wrong = ssl.SSLError(1, "wrong version number")
    wrong.reason = "WRONG_VERSION_NUMBER"
    unreadable = FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/…/ca.pem")
    failures: tuple[Exception, ...] = (
        refused,
        TimeoutError(),
        socket.gaierror(-2, "Name or service not known"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        untrusted,
        wrong,
        unreadable,
    )
    causes = [connect_cause(failure, _HOST, _PORT) for failure in failures]
    causes.append(silence_cause(_HOST, _PORT))
    causes += [refusal_cause(number, _UNKNOWN) for number in range(0x80, 0x100)]
    causes.append(loss_cause(None, _UNKNOWN))
    causes += [loss_cause(number, _UNKNOWN) for number in range(0x80, 0x100)]
    known = {cause.text: cause for cause in causes if not cause.text.endswith(f": {_UNKNOWN}")}
    return list(known.values())


def _split(cause: Cause) -> tuple[str, str]:
    what, _, remedy = cause.text.partition("; ")
    return what, remedy or "nothing: it is tried again by itself"


def command_troubles() -> str:
    """List what helps where a command that asks a terminal fails."""
    errors = (
        ("the terminal does not answer", ZKUnreachable("")),
        ("it accepts the connection, then says nothing", ZKBusy("")),
        ("it refuses the comm key", ZKAuthFailed("")),
        ("it does not know the command", ZKNotSupported("", 0)),
        ("it talks encrypted only", ZKEncrypted("", 0)),
        ("something else answers", ZKNotATerminal("")),
        ("the answers make no sense", ZKProtocolError("")),
    )
    rows = [(what, code(type(error).__name__), cure(error)) for what, error in errors]
    return table(("you see", "in Python", "do"), rows)
