"""``ZKDevice`` against a simulated terminal on real sockets, TCP and UDP, well and unwell."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.zk.conftest import device, punches
from zkbridge.simulator import PANEL_GREETING, SimulatedTerminal, SimulatedUser
from zkbridge.simulator import faults as f
from zkbridge.zk import (
    Attendance,
    LivePunch,
    ZKAuthFailed,
    ZKBusy,
    ZKDevice,
    ZKEncrypted,
    ZKError,
    ZKNotATerminal,
    ZKNotSupported,
    ZKProtocolError,
    ZKUnreachable,
)
from zkbridge.zk.opcodes import (
    CMD_ATTLOG_RRQ,
    CMD_CONNECT,
    CMD_EXIT,
    CMD_FREE_DATA,
    CMD_GET_TIME,
    CMD_OPTIONS_RRQ,
    CMD_PREPARE_BUFFER,
    CMD_READ_BUFFER,
    CMD_USER_PHOTO,
    READ_COMMANDS,
)
from zkbridge.zk.transport import TransportKind

PUNCH_EVENT = b"1001".ljust(24, b"\0") + b"\x01\x00" + bytes((26, 1, 5, 9, 0, 0))


def loaded(terminal: SimulatedTerminal, count: int = 4000) -> list[tuple[str, int]]:
    """Fill the log; returns what must come out of it."""
    wanted = punches(count)
    terminal.load_punches(wanted)
    return [(punch.user_id, punch.raw_time) for punch in wanted]


def read(client: ZKDevice) -> list[tuple[str, int]]:
    """Read the punches as user id and raw time."""
    return [(punch.user_id, punch.raw_time) for punch in client.attendance()]


# --- well ---


def test_whole_log_is_read(terminal: SimulatedTerminal, kind: TransportKind) -> None:
    wanted = loaded(terminal)
    with device(terminal, kind) as client:
        assert read(client) == wanted


@pytest.mark.parametrize("size", [8, 16, 40, 49])
def test_punch_layout_is_found(kind: TransportKind, size: int) -> None:
    with SimulatedTerminal(timezone=UTC, punch_size=size) as terminal:
        for index in range(7):
            terminal.add_user(f"{1001 + index}")
        wanted = loaded(terminal, 500)
        with device(terminal, kind) as client:
            assert read(client) == wanted


@pytest.mark.parametrize("size", [28, 72])
def test_user_layout_is_found(kind: TransportKind, size: int) -> None:
    with SimulatedTerminal(user_size=size) as terminal:
        people = [SimulatedUser(uid=i, user_id=f"{i}", name=f"N{i}") for i in range(1, 40)]
        terminal.add_users(people)
        with device(terminal, kind) as client:
            users = client.users()
    assert [(user.uid, user.user_id, user.name) for user in users] == [
        (one.uid, one.user_id, one.name) for one in people
    ]


def test_several_data_frames_make_one_chunk(kind: TransportKind) -> None:
    with SimulatedTerminal(max_data_tcp=1008, max_data_udp=512) as terminal:
        wanted = loaded(terminal)
        with device(terminal, kind) as client:
            assert read(client) == wanted


@pytest.mark.parametrize("restarts", [True, False])
def test_packet_index_may_restart_with_a_chunk_or_run_on(*, restarts: bool) -> None:
    with SimulatedTerminal(index_restarts=restarts) as terminal:
        wanted = loaded(terminal)
        with device(terminal, "udp") as client:
            assert read(client) == wanted


def test_small_chunks_may_come_bare(kind: TransportKind) -> None:
    with SimulatedTerminal(bare_chunks=True, inline_limit=0) as terminal:
        wanted = loaded(terminal, 20)
        with device(terminal, kind) as client:
            assert read(client) == wanted


def test_terminal_may_stream_a_table_at_once() -> None:
    with SimulatedTerminal(streaming=True) as terminal:
        wanted = loaded(terminal)
        with device(terminal) as client:
            assert read(client) == wanted


@pytest.mark.parametrize("answer", ["inline", "prepared", "no_data"])
def test_empty_log_is_empty(kind: TransportKind, answer: str) -> None:
    with SimulatedTerminal(empty_table=answer) as terminal, device(terminal, kind) as client:
        assert read(client) == []


@pytest.mark.parametrize("counts", ["zero", "lagging"])
def test_counters_that_are_wrong_do_not_shift_records(counts: str) -> None:
    with SimulatedTerminal(counts=counts, count_lag=3) as terminal:
        wanted = loaded(terminal, 300)
        with device(terminal) as client:
            assert read(client) == wanted


def test_impossible_date_costs_no_other_record(terminal: SimulatedTerminal) -> None:
    loaded(terminal, 100)
    terminal.punch("1001", raw_time=840880800, live=False)
    terminal.punch("1002", live=False)
    with device(terminal) as client:
        rows = list(client.attendance())
    assert len(rows) == 102
    assert (rows[100].timestamp, rows[100].raw_time) == (None, 840880800)
    assert rows[101].timestamp is not None


def test_record_that_is_none_is_left_out_and_counted(terminal: SimulatedTerminal) -> None:
    loaded(terminal, 50)
    terminal.load_raw_punches(b"\xff\x01\x02" * 13 + b"\x03")
    terminal.punch("1002", live=False)
    with device(terminal) as client:
        assert len(read(client)) == 51
        assert client.undecodable == 1


def test_table_of_garbage_is_an_error_that_shows_how_it_starts() -> None:
    with SimulatedTerminal(counts="zero") as terminal:
        terminal.load_raw_punches(bytes(range(128, 168)) * 30)
        with device(terminal) as client, pytest.raises(ZKProtocolError, match="80 81 82"):
            read(client)


def test_comm_key_opens(kind: TransportKind) -> None:
    with SimulatedTerminal(comm_key=123456) as terminal:
        client = ZKDevice(terminal.host, terminal.port, 123456, kind=kind)
        with client:
            assert client.serial == "SIM0000000001"


def test_wrong_comm_key_is_said(kind: TransportKind) -> None:
    with SimulatedTerminal(comm_key=123456) as terminal:
        client = ZKDevice(terminal.host, terminal.port, 1, kind=kind)
        with pytest.raises(ZKAuthFailed):
            client.open()
        assert terminal.wait_for(lambda: terminal.connections == 0 or kind == "udp")


@pytest.mark.parametrize("code", [6001, 2032])
def test_encrypted_firmware_is_said(kind: TransportKind, code: int) -> None:
    with SimulatedTerminal(refusal=code) as terminal, pytest.raises(ZKEncrypted):
        device(terminal, kind).open()


def test_access_panel_is_no_terminal() -> None:
    with (
        SimulatedTerminal(alien=PANEL_GREETING) as terminal,
        pytest.raises(ZKNotATerminal),
    ):
        device(terminal).open()


def test_terminal_that_serves_somebody_else_is_busy() -> None:
    with SimulatedTerminal(one_client=True) as terminal, device(terminal) as first:
        with pytest.raises(ZKBusy):
            device(terminal, timeout=0.2).open()
        assert first.clock() is not None


def test_nobody_there_is_unreachable(kind: TransportKind) -> None:
    with SimulatedTerminal() as terminal:
        host, port = terminal.host, terminal.port
    with pytest.raises(ZKUnreachable):
        ZKDevice(host, port, timeout=0.5, kind=kind).open()


def test_auto_falls_back_to_udp() -> None:
    with SimulatedTerminal(transport="udp") as terminal:
        wanted = loaded(terminal, 100)
        with device(terminal, "auto") as client:
            assert read(client) == wanted


def test_opening_costs_few_round_trips(terminal: SimulatedTerminal) -> None:
    client = device(terminal)
    with client:
        client.device_info()
    first = len(terminal.command_log)
    terminal.reset_counters()
    client.open()
    client.device_info()
    again = len(terminal.command_log)
    client.close()
    assert first <= 18
    assert again <= 5


def test_other_terminal_at_the_address_is_noticed_on_reopening(
    terminal: SimulatedTerminal,
) -> None:
    client = device(terminal)
    with client:
        pass
    terminal.set_option("~SerialNumber", "OTHER42")
    terminal.set_option("FirmVer", "Ver 9")
    with client:
        assert (client.serial, client.firmware) == ("OTHER42", "Ver 9")


def test_nothing_but_the_handshake_option_is_ever_written(
    terminal: SimulatedTerminal, kind: TransportKind
) -> None:
    loaded(terminal, 200)
    with device(terminal, kind) as client:
        client.device_info()
        client.users()
        read(client)
        list(client.op_logs())
        client.fingerprint_templates()
        client.face_templates()
        client.user_photo("1001")
        client.option("MAC")
        client.clock()
        cursor = client.read_log("punches")
        list(cursor)
        list(client.read_log("punches", cursor.cursor))
        events = client.live_events()
        terminal.wait_for(lambda: terminal.registered == 0)
        timer = threading.Timer(0.05, lambda: terminal.punch("1001"))
        timer.start()
        next(events)
        events.close()  # type: ignore[attr-defined]  # it is a generator
        timer.join()
    assert terminal.written_options == [b"SDKBuild=1\0", b"SDKBuild=0\0"]
    asked = {one.command for one in terminal.command_log} - {12, 2000}
    assert asked <= READ_COMMANDS
    assert terminal.enabled


def test_goodbye_is_said_and_the_option_restored(terminal: SimulatedTerminal) -> None:
    with device(terminal):
        assert terminal.option("SDKBuild") == "1"
    assert terminal.option("SDKBuild") == "0"
    assert terminal.command_log[-1].command == CMD_EXIT
    assert terminal.wait_for(lambda: terminal.connections == 0)


# --- unwell: the right rows, or a typed error, within the deadline ---

RIGHT = [
    pytest.param(f.Split((1, 5, 9, 20, 33)), id="split"),
    pytest.param(f.Split((30,), 0.15), id="pause inside a chunk"),
    pytest.param(f.Separate(0.01), id="frames one by one"),
    pytest.param(f.Dribble(), id="dribble"),
    pytest.param(f.Doubled(), id="doubled frames"),
    pytest.param(f.Repeated(), id="repeated reply"),
    pytest.param(f.EventBefore(1, PUNCH_EVENT), id="event before"),
    pytest.param(f.EventBetween(1, PUNCH_EVENT), id="event between"),
    pytest.param(f.Joined(1, PUNCH_EVENT), id="event behind"),
    pytest.param(f.Delay(0.3), id="delay"),
    pytest.param(f.LateAnswer(2), id="late answer to another command"),
    pytest.param(f.CorruptChecksum(), id="wrong checksum, right bytes"),
]
BULK = [CMD_PREPARE_BUFFER, CMD_READ_BUFFER, CMD_OPTIONS_RRQ, CMD_FREE_DATA, CMD_GET_TIME]


@pytest.mark.parametrize("command", BULK)
@pytest.mark.parametrize("fault", RIGHT)
def test_harmless_fault_over_tcp_changes_no_row(fault: f.Fault, command: int) -> None:
    with SimulatedTerminal(max_data_tcp=4000) as terminal:
        wanted = loaded(terminal, 600)
        terminal.inject(fault, command, times=2)
        with device(terminal) as client:
            assert read(client) == wanted
            assert client.clock() is not None
        assert terminal.faults_hit


UDP_RIGHT = [
    pytest.param(f.Lost((0,)), id="first datagram lost"),
    pytest.param(f.Lost((1,)), id="second datagram lost"),
    pytest.param(f.Lost((-1,)), id="last datagram lost"),
    pytest.param(f.Lost((2, 3)), id="two lost"),
    pytest.param(f.Reordered(1, 2), id="reordered"),
    pytest.param(f.Reordered(0, 1), id="first two swapped"),
    pytest.param(f.Reordered(0, -1), id="first and last swapped"),
    pytest.param(f.Reordered(-1, -2), id="last two swapped"),
    pytest.param(f.Doubled(), id="doubled"),
    pytest.param(f.Repeated(), id="repeated"),
    pytest.param(f.Silence(), id="silence"),
    pytest.param(f.CorruptChecksum(), id="corrupt"),
    pytest.param(f.Separate(0.01), id="spaced"),
    pytest.param(f.EventBetween(1, PUNCH_EVENT), id="event between"),
    pytest.param(f.Cut(20, then="go_on"), id="cut"),
    pytest.param(f.Delay(0.5), id="late"),
]


@pytest.mark.parametrize("command", BULK)
@pytest.mark.parametrize("fault", UDP_RIGHT)
def test_fault_over_udp_changes_no_row(fault: f.Fault, command: int) -> None:
    with SimulatedTerminal() as terminal:
        wanted = loaded(terminal, 600)
        terminal.inject(fault, command)
        with device(terminal, "udp", timeout=0.9) as client:
            assert read(client) == wanted
            assert client.clock() is not None
        assert terminal.faults_hit


WRONG = [
    pytest.param(f.Cut(20), ZKUnreachable, id="cut after 20 bytes, closed"),
    pytest.param(f.Cut(20, then="hang"), ZKUnreachable, id="cut after 20 bytes, silent"),
    pytest.param(f.Cut(3000), ZKUnreachable, id="closed inside the chunk"),
    pytest.param(f.Cut(3000, then="reset"), ZKUnreachable, id="reset inside the chunk"),
    pytest.param(f.Hang(), ZKUnreachable, id="hang"),
    pytest.param(f.Silence(), ZKUnreachable, id="silence"),
    pytest.param(f.Closed(), ZKUnreachable, id="closed"),
    pytest.param(f.Closed(reset=True), ZKUnreachable, id="reset"),
    pytest.param(f.Dribble(0.05), ZKUnreachable, id="slow dribble"),
    pytest.param(f.OversizedLength(), ZKProtocolError, id="2 GiB length"),
    pytest.param(f.Garbage(), ZKProtocolError, id="garbage"),
    pytest.param(f.WrongNumber(), ZKUnreachable, id="number of another request"),
    pytest.param(f.ShortData(8), ZKProtocolError, id="short data"),
    pytest.param(f.Lost((1,)), ZKError, id="a frame left out"),
]


@pytest.mark.parametrize(("fault", "error"), WRONG)
def test_harmful_fault_is_a_typed_error_and_no_wrong_row(
    fault: f.Fault, error: type[ZKError]
) -> None:
    with SimulatedTerminal(max_data_tcp=4000) as terminal:
        wanted = loaded(terminal, 600)
        with device(terminal, timeout=0.4) as client:
            terminal.inject(fault, CMD_READ_BUFFER)
            rows: list[Attendance] = []
            with pytest.raises(error):
                rows.extend(client.attendance())
            assert terminal.faults_hit
        assert [(row.user_id, row.raw_time) for row in rows] == wanted[: len(rows)]
        with device(terminal) as again:
            assert read(again) == wanted


def test_table_shorter_than_its_size_field_is_an_error() -> None:
    with SimulatedTerminal(size_field_excess=40) as terminal:
        loaded(terminal, 600)
        with device(terminal) as client, pytest.raises(ZKProtocolError, match="early"):
            read(client)


def test_table_of_2_gib_is_refused_before_memory_is_taken(terminal: SimulatedTerminal) -> None:
    loaded(terminal, 600)
    terminal.inject(f.OversizedTable(), CMD_PREPARE_BUFFER)
    with device(terminal) as client, pytest.raises(ZKProtocolError):
        read(client)


def test_forgotten_session_is_a_reason_to_reconnect(
    terminal: SimulatedTerminal, kind: TransportKind
) -> None:
    wanted = loaded(terminal, 600)
    client = device(terminal, kind)
    with client:
        terminal.forget_sessions()
        with pytest.raises(ZKProtocolError, match="session"):
            read(client)
    with client:
        assert read(client) == wanted


def test_terminal_without_buffered_reads_is_refused() -> None:
    with SimulatedTerminal(buffered=False) as terminal:
        loaded(terminal, 600)
        with device(terminal) as client, pytest.raises(ZKNotSupported):
            read(client)
    assert CMD_ATTLOG_RRQ not in terminal.requests


def test_user_table_that_is_refused_is_asked_for_in_another_way() -> None:
    with SimulatedTerminal(refused_tables=frozenset({(9, 5)})) as terminal:
        terminal.add_user("7", "Ana")
        with device(terminal) as client:
            assert [user.user_id for user in client.users()] == ["7"]


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_reply_to_connect_cut_anywhere_is_an_error_and_leaves_nothing_open(at: int) -> None:
    with SimulatedTerminal() as terminal:
        terminal.inject(f.Cut(at), CMD_CONNECT)
        client = device(terminal, timeout=1)
        if at < 16:
            with pytest.raises(ZKUnreachable):
                client.open()
        client.close()
        assert terminal.wait_for(lambda: terminal.connections == 0)


def test_abort_from_another_thread_ends_the_wait(
    terminal: SimulatedTerminal, kind: TransportKind
) -> None:
    with device(terminal, kind, timeout=30) as client:
        terminal.inject(f.Silence(), CMD_GET_TIME)
        timer = threading.Timer(0.05, client.abort)
        timer.start()
        with pytest.raises(ZKUnreachable, match="given up"):
            client.clock()
        timer.join()
        with pytest.raises(ZKUnreachable, match="given up"):
            client.clock()
    assert terminal.option("SDKBuild") == "0"
    with client:
        assert client.clock() is not None


def test_iterator_given_up_early_leaves_the_session_usable(
    terminal: SimulatedTerminal, kind: TransportKind
) -> None:
    wanted = loaded(terminal)
    with device(terminal, kind) as client:
        first = next(client.attendance())
        assert (first.user_id, first.raw_time) == wanted[0]
        assert client.clock() is not None
        assert read(client) == wanted


def test_first_record_comes_within_four_replies(terminal: SimulatedTerminal) -> None:
    loaded(terminal, 20_000)
    with device(terminal) as client:
        terminal.reset_counters()
        next(iter(client.attendance()))
        before = [one.command for one in terminal.command_log if one.command != CMD_FREE_DATA]
    assert len(before) <= 4


def test_prepare_may_take_longer_than_a_frame() -> None:
    with SimulatedTerminal(prepare_s=0.8) as terminal:
        wanted = loaded(terminal, 600)
        with device(terminal, timeout=0.3) as client:
            assert read(client) == wanted


def test_portrait_and_templates(kind: TransportKind) -> None:
    with SimulatedTerminal() as terminal:
        photo = b"\xff\xd8" + bytes(range(256)) * 30
        terminal.add_user("007", photo=photo, templates={3: b"\x4d" * 600}, faces=(b"f" * 2000,))
        terminal.add_user("8")
        with device(terminal, kind) as client:
            assert client.user_photo("007") == photo
            assert client.user_photo("8") is None
            fingers = client.fingerprint_templates()
            faces = client.face_templates()
    assert [(one.uid, one.finger_index, one.flag, one.data) for one in fingers] == [
        (1, 3, 1, b"\x4d" * 600)
    ]
    assert [one.uid for one in faces] == [1]
    assert b"f" * 2000 in faces[0].data


def test_portrait_cut_short_is_an_error(terminal: SimulatedTerminal) -> None:
    terminal.add_user("007", photo=bytes(5000))
    with device(terminal, timeout=0.4) as client:
        terminal.inject(f.ShortData(10), CMD_USER_PHOTO)
        with pytest.raises(ZKProtocolError):
            client.user_photo("007")


def test_clock_is_the_terminals_wall_clock() -> None:
    noon = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
    with (
        SimulatedTerminal(clock=lambda: noon, timezone=UTC) as terminal,
        device(terminal) as client,
    ):
        terminal.set_clock(timedelta(seconds=7))
        assert client.clock() == datetime(2026, 3, 1, 12, 0, 12)  # noqa: DTZ001  wall clock


def test_events_during_reads_are_kept_for_whoever_listens(terminal: SimulatedTerminal) -> None:
    wanted = loaded(terminal, 600)
    with device(terminal) as client:
        client.register_events()
        terminal.inject(f.EventBetween(1, PUNCH_EVENT), CMD_READ_BUFFER)
        assert read(client) == wanted
        event = client.next_event(5)
        assert isinstance(event, LivePunch)
        assert event.user_id == "1001"
