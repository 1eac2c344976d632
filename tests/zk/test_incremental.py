"""Cursors: only what is new is read, and what became of a log is told."""

from dataclasses import replace
from datetime import UTC
from struct import pack

import pytest

from tests.zk.conftest import FIRST_PUNCH, device, punches
from zkbridge.simulator import SimulatedOperation, SimulatedPunch, SimulatedTerminal, pack_time
from zkbridge.zk import (
    Attendance,
    LogCase,
    LogCursor,
    LogRead,
    OpLog,
    ZKDevice,
    ZKProtocolError,
)
from zkbridge.zk.incremental import KNOWN_RECORDS, Tail, digest, plan, settle
from zkbridge.zk.transport import TransportKind


def rows(read: LogRead) -> list[tuple[str, int]]:
    """Iterate a reading of the punches."""
    return [(row.user_id, row.raw_time) for row in read if isinstance(row, Attendance)]


def keys(wanted: list[SimulatedPunch]) -> list[tuple[str, int]]:
    """What must come out of these punches."""
    return [(punch.user_id, punch.raw_time) for punch in wanted]


def first(client: ZKDevice, terminal: SimulatedTerminal, count: int = 3000) -> LogCursor:
    """Fill the log, read it, return the cursor."""
    terminal.load_punches(punches(count))
    read = client.read_log("punches")
    assert rows(read) == keys(punches(count))
    assert (read.case, read.whole, read.expected) == (LogCase.FIRST, True, count)
    return read.cursor


@pytest.mark.parametrize("new", [0, 1, 5, 2500])
def test_only_what_is_new_is_read(
    terminal: SimulatedTerminal, kind: TransportKind, new: int
) -> None:
    with device(terminal, kind) as client:
        cursor = first(client, terminal)
        added = punches(new, start=3000)
        terminal.load_punches(added)
        terminal.reset_counters()
        read = client.read_log("punches", cursor)
        assert (read.whole, read.expected, read.first) == (False, new, 3000)
        assert rows(read) == keys(added)
        assert read.case is (LogCase.GROWN if new else LogCase.UNCHANGED)
        assert terminal.bytes_in + terminal.bytes_out < 1024 + new * 41
        assert read.cursor.count == 3000 + new
        assert rows(client.read_log("punches", read.cursor)) == []


@pytest.mark.parametrize("size", [8, 16, 49])
def test_every_layout_has_a_tail(size: int) -> None:
    with SimulatedTerminal(punch_size=size, timezone=UTC) as terminal:
        for index in range(7):
            terminal.add_user(f"{1001 + index}")
        with device(terminal) as client:
            cursor = first(client, terminal)
            added = punches(2, start=3000)
            terminal.load_punches(added)
            read = client.read_log("punches", cursor)
            assert rows(read) == keys(added)
            assert not read.whole


def test_operations_have_a_tail_too(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        for op in range(200):
            terminal.load_operation(SimulatedOperation(op % 30, 864_000_000 + op))
        read = client.read_log("operations")
        assert len(list(read)) == 200
        terminal.load_operation(SimulatedOperation(3, 864_001_000, 0, (55, 0, 0, 0)))
        again = client.read_log("operations", read.cursor)
        (entry,) = again
        assert isinstance(entry, OpLog)
        assert (entry.op, entry.params, again.case) == (3, (55, 0, 0, 0), LogCase.GROWN)


def test_log_that_was_empty_has_grown(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        read = client.read_log("punches")
        assert rows(read) == []
        terminal.load_punches(punches(3))
        again = client.read_log("punches", read.cursor)
        assert rows(again) == keys(punches(3))
        assert again.case is LogCase.GROWN


def test_cleared_log_is_read_whole(terminal: SimulatedTerminal, kind: TransportKind) -> None:
    with device(terminal, kind) as client:
        cursor = first(client, terminal)
        terminal.clear_log()
        added = punches(40, start=5000)
        terminal.load_punches(added)
        read = client.read_log("punches", cursor)
        assert rows(read) == keys(added)
        assert (read.case, read.whole, read.known_overlap) == (LogCase.CLEARED, True, None)


def test_log_cleared_to_nothing(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        cursor = first(client, terminal)
        terminal.clear_log()
        read = client.read_log("punches", cursor)
        assert rows(read) == []
        assert read.case is LogCase.CLEARED
        assert read.cursor.count == 0


def test_log_cleared_and_grown_beyond_what_was_known(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        cursor = first(client, terminal, 50)
        terminal.clear_log()
        added = punches(60, start=5000)
        terminal.load_punches(added)
        read = client.read_log("punches", cursor)
        assert rows(read) == keys(added)
        assert read.case is LogCase.REPLACED


@pytest.mark.parametrize("new", [1, 100, 900])
def test_log_that_rolled_over_is_recognised_by_content(
    terminal: SimulatedTerminal, new: int
) -> None:
    with device(terminal) as client:
        cursor = first(client, terminal, 1000)
        terminal.drop_oldest(100)
        terminal.load_punches(punches(new, start=1000))
        read = client.read_log("punches", cursor)
        assert rows(read) == keys(punches(900 + new, start=100))
        assert (read.case, read.known_overlap) == (LogCase.ROLLED_OVER, 900)


def test_other_terminal_at_the_address_is_told(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        cursor = first(client, terminal)
        read = client.read_log("punches", replace(cursor, key="ANOTHER"))
        assert len(rows(read)) == 3000
        assert read.case is LogCase.OTHER_TERMINAL


@pytest.mark.parametrize("offsets", ["refused", "ignored"])
def test_terminal_that_reads_no_tails_is_read_whole(kind: TransportKind, offsets: str) -> None:
    with SimulatedTerminal(offsets=offsets) as terminal, device(terminal, kind, 2) as client:
        cursor = first(client, terminal)
        terminal.load_punches(punches(2, start=3000))
        read = client.read_log("punches", cursor)
        assert rows(read) == keys(punches(3002))
        assert (read.case, read.proof_failed) == (LogCase.OFFSETS_UNSUPPORTED, True)
        assert read.known_overlap == 3000


@pytest.mark.parametrize("counts", ["zero", "frozen"])
def test_counters_that_tell_nothing_do_not_hide_what_is_new(counts: str) -> None:
    with SimulatedTerminal() as terminal, device(terminal) as client:
        cursor = first(client, terminal)
        terminal.behave(counts=counts)
        terminal.load_punches(punches(2, start=3000))
        read = client.read_log("punches", cursor)
        assert rows(read) == keys(punches(2, start=3000))
        assert (read.case, read.counts_usable) == (LogCase.GROWN, False)


def test_equal_records_at_the_end_do_not_hide_one_more(terminal: SimulatedTerminal) -> None:
    same = SimulatedPunch("1001", pack_time(FIRST_PUNCH), 1, 0, 1)
    terminal.load_punches([same] * 9)
    with device(terminal) as client:
        read = client.read_log("punches")
        assert len(rows(read)) == 9
        terminal.load_punches([same])
        assert len(rows(client.read_log("punches", read.cursor))) == 1


def test_whole_log_can_be_verified(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        cursor = first(client, terminal)
        terminal.load_punches(punches(2, start=3000))
        read = client.read_log("punches", cursor, verify_whole=True)
        assert len(rows(read)) == 3002
        assert (read.case, read.known_overlap, read.proof_failed) == (LogCase.GROWN, 3000, False)


def test_cursor_survives_as_text(terminal: SimulatedTerminal) -> None:
    with device(terminal) as client:
        cursor = first(client, terminal)
    assert LogCursor.from_json(cursor.to_json()) == cursor


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"log": 1}', '{"log":"punches","key":null}']
)
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ZKProtocolError):
        LogCursor.from_json(text)


def test_cursor_before_the_end_is_refused(terminal: SimulatedTerminal) -> None:
    terminal.load_punches(punches(10))
    with device(terminal) as client:
        read = client.read_log("punches")
        with pytest.raises(ZKProtocolError):
            _ = read.cursor
        read.close()


# --- decisions alone ---

RECORDS = [pack("<I", number) * 4 for number in range(20)]


def known(count: int) -> LogCursor:
    """A cursor after ``count`` records of 16 bytes."""
    tail = Tail(16)
    tail.feed(b"".join(RECORDS[:count]))
    return tail.cursor("operations", "K", "oplog-16")


@pytest.mark.parametrize(
    ("size", "key", "count", "case", "start"),
    [
        (160, "K", 10, LogCase.UNCHANGED, 6),
        (192, "K", 12, LogCase.GROWN, 6),
        (192, "K", None, LogCase.GROWN, 6),
        (80, "K", 5, LogCase.CLEARED, None),
        (192, "L", 12, LogCase.OTHER_TERMINAL, None),
        (200, "K", 5, LogCase.LAYOUT_CHANGED, None),
        (200, "K", None, LogCase.COUNTS_UNUSABLE, None),
    ],
)
def test_plan(size: int, key: str, count: int | None, case: LogCase, start: int | None) -> None:
    made = plan(known(10), log="operations", key=key, size=size, count=count, whole=False)
    assert (made.case, made.first) == (case, start)


def test_cursor_of_the_other_log_is_no_cursor() -> None:
    made = plan(known(10), log="punches", key="K", size=160, count=10, whole=False)
    assert (made.case, made.first) == (LogCase.FIRST, None)


@pytest.mark.parametrize("piece", [1, 3, 20])
def test_known_record_is_found_across_pieces(piece: int) -> None:
    tail = Tail(16, known(10))
    for start in range(3, 20, piece):
        tail.feed(b"".join(RECORDS[start : min(20, start + piece)]))
    assert tail.anchor == 6
    assert tail.cursor("operations", "K", "oplog-16").digest == digest(
        b"".join(RECORDS[-KNOWN_RECORDS:])
    )


def test_case_is_final_after_the_whole_was_read() -> None:
    cursor = known(10)
    grown = LogCase.GROWN
    assert settle(grown, cursor, anchor=9, records=12, proof_failed=False) is LogCase.GROWN
    assert (
        settle(grown, cursor, anchor=9, records=12, proof_failed=True)
        is LogCase.OFFSETS_UNSUPPORTED
    )
    assert settle(grown, cursor, anchor=5, records=12, proof_failed=True) is LogCase.ROLLED_OVER
    assert settle(grown, cursor, anchor=None, records=12, proof_failed=True) is LogCase.REPLACED
    assert settle(grown, cursor, anchor=None, records=3, proof_failed=True) is LogCase.CLEARED
