"""The Python API: every public name of ``zkbridge.zk``, by group."""

import inspect
from typing import Final

from zkbridge import zk

DEVICE: Final = ("ZKDevice", "Session")
LOGS: Final = ("LogRead", "LogCase", "LogCursor")
MODELS: Final = (
    "DeviceInfo",
    "Capacity",
    "User",
    "Attendance",
    "PunchState",
    "OpLog",
    "Undecodable",
    "FingerTemplate",
    "FaceTemplate",
    "UserPhoto",
)
LIVE: Final = (
    "EventFlag",
    "ALL_EVENTS",
    "LiveEvent",
    "LivePunch",
    "LiveAlarm",
    "LiveVerify",
    "LiveEnroll",
    "LiveOther",
)
TRANSPORTS: Final = ("Transport", "TcpTransport", "UdpTransport", "Frame")
ERRORS: Final = (
    "ZKError",
    "ZKUnreachable",
    "ZKBusy",
    "ZKAuthFailed",
    "ZKProtocolError",
    "ZKNotATerminal",
    "ZKNotSupported",
    "ZKEncrypted",
)


def device() -> str:
    """Document what one works with."""
    return _group(DEVICE)


def logs() -> str:
    """Document incremental reads."""
    return _group(LOGS)


def models() -> str:
    """Document the records."""
    return _group(MODELS)


def live() -> str:
    """Document realtime events."""
    return _group(LIVE)


def transports() -> str:
    """Document the seam below the device, with every public name that has no other place."""
    named = {*DEVICE, *LOGS, *MODELS, *LIVE, *TRANSPORTS, *ERRORS}
    return _group((*TRANSPORTS, *sorted(set(zk.__all__) - named)))


def errors() -> str:
    """Document the errors."""
    return _group(ERRORS)


def _group(names: tuple[str, ...]) -> str:
    lines = ["```{eval-rst}"]
    for name in names:
        lines += [_directive(name), ""]
    return "\n".join([*lines, "```"])


def _directive(name: str) -> str:
    value = getattr(zk, name)
    if not inspect.isclass(value):
        return f".. py:data:: zkbridge.zk.{name}\n   :value: {value!r}\n"
    kind = "autoexception" if issubclass(value, Exception) else "autoclass"
    inherited = "\n   :inherited-members:" if name.endswith("Transport") else ""
    return f".. {kind}:: zkbridge.zk.{name}\n   :members:\n   :show-inheritance:{inherited}"
