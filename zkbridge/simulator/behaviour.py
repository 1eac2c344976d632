"""How a simulated terminal behaves: one frozen set of switches, each a firmware seen or told of."""

from dataclasses import dataclass
from typing import Final, Literal

from zkbridge.zk.opcodes import ALL_EVENTS, CMD_ACK_UNKNOWN

# What a C3 or inBio access panel starts and ends its messages with; protocol.md 14.
PANEL_GREETING: Final = bytes.fromhex("aa01c80000000055")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Switches of a simulated terminal; the defaults are a well-behaved colour model.

    Attributes:
        comm_key: 0: none is asked for.
        auth_always: Asks for AUTH also with key 0 (protocol.md 2.1).
        refusal: Code that answers everything: 6001 or 2032 as secure firmware (protocol.md 15).
        alien: Bytes that answer everything, as an access panel does; empty: a terminal.
        one_client: A second TCP connection waits unanswered for the first one's end.
        buffered: Knows CMD_PREPARE_BUFFER at all.
        direct_reads: Answer to a table command outside CMD_PREPARE_BUFFER: ``stale`` has the right
            size and wrong bytes (K40 over TCP), ``proper`` are the records (old UDP models).
        sdk_gated: Refuses tables until option SDKBuild is 1.
        refused_tables: (command, fct) of tables that are refused, all the same.
        streaming: Answers CMD_PREPARE_BUFFER with the whole table at once.
        inline_limit: Largest table, size field included, that comes as one DATA frame.
        empty_table: Answer for a table without records.
        max_data_tcp: Largest data of a DATA frame.
        max_data_udp: Largest data of a DATA datagram.
        bare_chunks: Small chunks come as one DATA frame without PREPARE_DATA and ACK_OK.
        index_restarts: The DATA index restarts with every chunk, rather than with every table.
        offsets: What a chunk may start at: anywhere, nowhere but behind the one before, or the
            start field is not looked at.
        size_field_excess: Added to the size field of every table.
        counts: What the counters say: the truth, what it was when this was set, nothing, or the
            truth ``count_lag`` records ago.
        free_sizes_bytes: Length of the counters' answer; 4: one counter per question.
        punch_size: Bytes of an attendance record: 8, 16, 40 or 49.
        user_size: Bytes of a user record: 28 or 72.
        encoding: Code page of names.
        event_size: Bytes of a live punch.
        event_mask: Events that the model sends at all.
        events_to_one: Events go to the client that registered last only.
        silent_when_disabled: No events while the terminal is disabled.
        user_capacity: Users that fit.
        finger_capacity: Fingerprints that fit.
        face_capacity: Faces that fit.
        punch_capacity: Attendance records that fit.
        drop_oldest: Records deleted when the attendance log is full; 0: it stops recording.
        photos: Knows portraits.
        unknown_reply: Answer to a command that it does not know.
        latency_s: Time before each answer.
        prepare_s: Further time before the first answer to a table request.
        bandwidth: Bytes per second that leave the terminal; 0: as many as can.
    """

    comm_key: int = 0
    auth_always: bool = False
    refusal: int | None = None
    alien: bytes = b""
    one_client: bool = False
    buffered: bool = True
    direct_reads: Literal["stale", "proper", "refused"] = "stale"
    sdk_gated: bool = False
    refused_tables: frozenset[tuple[int, int]] = frozenset()
    streaming: bool = False
    inline_limit: int = 1024
    empty_table: Literal["inline", "prepared", "no_data"] = "inline"
    max_data_tcp: int = 65528
    max_data_udp: int = 1024
    bare_chunks: bool = False
    index_restarts: bool = True
    offsets: Literal["honoured", "refused", "ignored"] = "honoured"
    size_field_excess: int = 0
    counts: Literal["true", "frozen", "zero", "lagging"] = "true"
    count_lag: int = 0
    free_sizes_bytes: int = 92
    punch_size: int = 40
    user_size: int = 72
    encoding: str = "utf-8"
    event_size: int = 32
    event_mask: int = ALL_EVENTS
    events_to_one: bool = False
    silent_when_disabled: bool = True
    user_capacity: int = 10_000
    finger_capacity: int = 3_000
    face_capacity: int = 1_200
    punch_capacity: int = 200_000
    drop_oldest: int = 0
    photos: bool = True
    unknown_reply: int = CMD_ACK_UNKNOWN
    latency_s: float = 0.0
    prepare_s: float = 0.0
    bandwidth: float = 0.0
