"""Command, reply, table and event numbers under the SDK's names, each with its source.

Numbers only; nothing here does anything. Unknown numbers survive as plain ``int``.
"""

from enum import IntEnum, IntFlag
from typing import Final

# Requests of a read-only client. Source: protocol.md, appendix (allow-list).
CMD_DB_RRQ: Final = 7  # read stored data, kind in fct; protocol.md 5.1
CMD_USERTEMP_RRQ: Final = 9  # user table when buffered; protocol.md 5.1
CMD_OPTIONS_RRQ: Final = 11  # protocol.md 2.4
CMD_OPTIONS_WRQ: Final = 12  # only for the SDK handshake; protocol.md 2.3
CMD_ATTLOG_RRQ: Final = 13  # only inside CMD_PREPARE_BUFFER; protocol.md 5.1
CMD_OPLOG_RRQ: Final = 34  # only inside CMD_PREPARE_BUFFER; protocol.md 5.1
CMD_GET_FREE_SIZES: Final = 50  # protocol.md 4
CMD_STATE_RRQ: Final = 64  # protocol.md 12
CMD_GET_PINWIDTH: Final = 69  # protocol.md 12
CMD_DOORSTATE_RRQ: Final = 75  # protocol.md 10.4
CMD_GET_USERTEMP: Final = 88  # one fingerprint template; protocol.md 11
CMD_FACE_RRQ: Final = 150  # protocol.md 11
CMD_GET_TIME: Final = 201  # protocol.md 3.3
CMD_REG_EVENT: Final = 500  # register, and the events themselves; protocol.md 10
CMD_CONNECT: Final = 1000  # protocol.md 2.1
CMD_EXIT: Final = 1001  # protocol.md 2.1
CMD_REFRESHDATA: Final = 1013  # after an option was written; protocol.md 2.3
CMD_GET_VERSION: Final = 1100  # firmware text; protocol.md 2.4
CMD_AUTH: Final = 1102  # protocol.md 2.2
CMD_PREPARE_DATA: Final = 1500  # protocol.md 5.2
CMD_DATA: Final = 1501  # protocol.md 5.4
CMD_FREE_DATA: Final = 1502  # protocol.md 5.3
CMD_PREPARE_BUFFER: Final = 1503  # protocol.md 5.1
CMD_READ_BUFFER: Final = 1504  # protocol.md 5.3
CMD_USER_PHOTO: Final = 0x271A  # protocol.md 11

# Replies. Source: protocol.md 1.7.
CMD_ACK_OK: Final = 2000
CMD_ACK_ERROR: Final = 2001
CMD_ACK_DATA: Final = 2002
CMD_ACK_RETRY: Final = 2003
CMD_ACK_REPEAT: Final = 2004
CMD_ACK_UNAUTH: Final = 2005
CMD_ACK_LOCKED: Final = 2032  # secure firmware; protocol.md 15, unproven
CMD_ACK_UNSUPPORTED: Final = 4981
CMD_ACK_NO_PHOTO: Final = 4985
CMD_ACK_NO_DATA: Final = 4989
CMD_ACK_NO_DATA_ALT: Final = 4991
CMD_ACK_SECURE: Final = 6001  # secure firmware; protocol.md 15, unproven
CMD_ACK_ERROR_DATA: Final = 65531
CMD_ACK_ERROR_INIT: Final = 65532
CMD_ACK_ERROR_CMD: Final = 65533
CMD_ACK_UNKNOWN: Final = 0xFFFF

# Answered by PREPARE_DATA, DATA and ACK_OK, or by one frame. Source: protocol.md 5, 11.
BULK_COMMANDS: Final = frozenset(
    {
        CMD_DB_RRQ,
        CMD_USERTEMP_RRQ,
        CMD_GET_USERTEMP,
        CMD_FACE_RRQ,
        CMD_PREPARE_BUFFER,
        CMD_READ_BUFFER,
        CMD_USER_PHOTO,
    }
)

# All that this package ever sends by itself, but for CMD_OPTIONS_WRQ with SDKBuild.
# Source: protocol.md, appendix.
READ_COMMANDS: Final = BULK_COMMANDS | {
    CMD_OPTIONS_RRQ,
    CMD_GET_FREE_SIZES,
    CMD_STATE_RRQ,
    CMD_GET_PINWIDTH,
    CMD_DOORSTATE_RRQ,
    CMD_GET_TIME,
    CMD_REG_EVENT,
    CMD_CONNECT,
    CMD_EXIT,
    CMD_GET_VERSION,
    CMD_AUTH,
    CMD_FREE_DATA,
}
READ_TABLES: Final = frozenset({CMD_DB_RRQ, CMD_USERTEMP_RRQ, CMD_ATTLOG_RRQ, CMD_OPLOG_RRQ})

# What CMD_DB_RRQ reads, as its fct. Source: protocol.md 5.1.
FCT_ATTLOG: Final = 1
FCT_FINGERTMP: Final = 2
FCT_OPLOG: Final = 4
FCT_USER: Final = 5

# Largest slice that CMD_READ_BUFFER asks for. Source: protocol.md 5.3.
MAX_CHUNK: Final = 0xFFC0
MAX_CHUNK_UDP: Final = 16384


class EventFlag(IntFlag):
    """Mask of CMD_REG_EVENT and code of an event frame. Source: protocol.md 10.1."""

    ATTLOG = 1
    FINGER = 2
    ENROLLUSER = 4
    ENROLLFINGER = 8
    BUTTON = 16
    UNLOCK = 32
    VERIFY = 128
    FPFTR = 256
    ALARM = 512


ALL_EVENTS: Final = 0xFFFF  # what the vendor's SDK registers; protocol.md 10.1


class PunchState(IntEnum):
    """The key that a person pressed. Source: protocol.md 9.2."""

    CHECK_IN = 0
    CHECK_OUT = 1
    BREAK_OUT = 2
    BREAK_IN = 3
    OVERTIME_IN = 4
    OVERTIME_OUT = 5
    UNDEFINED = 255
