"""Read-only client of ZKTeco terminals: the public names, and nothing else."""

from zkbridge.zk.client import ZKDevice
from zkbridge.zk.errors import (
    ZKAuthFailed,
    ZKBusy,
    ZKEncrypted,
    ZKError,
    ZKNotATerminal,
    ZKNotSupported,
    ZKProtocolError,
    ZKUnreachable,
)
from zkbridge.zk.framing import Frame
from zkbridge.zk.incremental import LogCase, LogCursor
from zkbridge.zk.models import (
    Attendance,
    Capacity,
    DeviceInfo,
    FaceTemplate,
    FingerTemplate,
    LiveAlarm,
    LiveEnroll,
    LiveEvent,
    LiveOther,
    LivePunch,
    LiveVerify,
    OpLog,
    Undecodable,
    User,
    UserPhoto,
)
from zkbridge.zk.opcodes import ALL_EVENTS, EventFlag, PunchState
from zkbridge.zk.reading import LogRead
from zkbridge.zk.session import Session
from zkbridge.zk.transport import TcpTransport, Transport, UdpTransport

__all__ = [
    "ALL_EVENTS",
    "Attendance",
    "Capacity",
    "DeviceInfo",
    "EventFlag",
    "FaceTemplate",
    "FingerTemplate",
    "Frame",
    "LiveAlarm",
    "LiveEnroll",
    "LiveEvent",
    "LiveOther",
    "LivePunch",
    "LiveVerify",
    "LogCase",
    "LogCursor",
    "LogRead",
    "OpLog",
    "PunchState",
    "Session",
    "TcpTransport",
    "Transport",
    "UdpTransport",
    "Undecodable",
    "User",
    "UserPhoto",
    "ZKAuthFailed",
    "ZKBusy",
    "ZKDevice",
    "ZKEncrypted",
    "ZKError",
    "ZKNotATerminal",
    "ZKNotSupported",
    "ZKProtocolError",
    "ZKUnreachable",
]
