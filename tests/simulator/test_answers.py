"""What a simulated terminal answers, seen from a raw socket."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from struct import pack, unpack

import pytest

from tests.simulator.conftest import punches
from tests.simulator.raw import OPERATIONS, PUNCHES, TEMPLATES, USERS, RawClient
from tests.simulator.vectors import vectors
from zkbridge.simulator import SimulatedTerminal, pack_impossible_time, pack_time
from zkbridge.zk.framing import make_commkey


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("key", [0, 1, 123456, 983039])
def test_key_opens_a_terminal_that_asks_for_it(key: int, transport: str) -> None:
    with (
        SimulatedTerminal(comm_key=key, auth_always=True) as terminal,
        RawClient(terminal, "tcp" if transport == "tcp" else "udp") as client,
    ):
        assert client.ask(1000).cmd == 2005
        assert client.connect(key).cmd == 2000
        assert client.ask(201).cmd == 2000


def test_wrong_key_opens_nothing() -> None:
    with SimulatedTerminal(comm_key=5) as terminal, RawClient(terminal) as client:
        assert client.connect(6).cmd == 2005
        assert client.ask(201).cmd == 2005
        assert client.ask(1102, make_commkey(5, client.session)).cmd == 2000


def test_nothing_is_answered_without_a_session(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal) as client:
        assert client.ask(201).cmd == 2005


def test_second_connect_keeps_the_session(client: RawClient) -> None:
    assert client.ask(1000).session == client.session


def test_exit_ends_the_session(client: RawClient) -> None:
    assert client.ask(1001).cmd == 2000
    assert client.ask(201).cmd == 2005


def test_number_of_the_request_is_echoed(client: RawClient) -> None:
    client.send(201, number=65534)

    assert client.receive().reply == 65534


def test_clock_is_the_injected_one_in_its_zone_and_wrong_by_its_offset() -> None:
    now = datetime(2026, 11, 22, 6, 30, 15, 999999, tzinfo=UTC)
    with SimulatedTerminal(clock=lambda: now, timezone=UTC) as terminal:
        terminal.set_clock(timedelta(seconds=-75))
        with RawClient(terminal) as client:
            client.connect()
            raw = unpack("<I", client.ask(201).data)[0]

    assert raw == pack_time(datetime.fromisoformat("2026-11-22T06:29:00"))


def test_option_is_read_written_and_missing(client: RawClient, terminal: SimulatedTerminal) -> None:
    assert client.ask(11, b"~SerialNumber\0").data == b"~SerialNumber=SIM0000000001\0"
    assert client.ask(11, b"NoSuch\0").cmd == 2001
    assert client.ask(12, b"SDKBuild=1\0").cmd == 2000
    assert client.ask(11, b"SDKBuild\0").data == b"SDKBuild=1\0"
    assert terminal.written_options == [b"SDKBuild=1\0"]


def test_small_facts(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.set_door(is_open=True)
    terminal.set_state(2)

    assert client.ask(1100).data == b"Ver 6.60 Apr 28 2017\0"
    assert client.ask(75).data == b"\x01"
    assert client.ask(64).session == 2
    assert client.ask(69, b" P").data == b"\x09"
    assert client.ask(4242).cmd == 0xFFFF


def test_counters_follow_what_is_stored(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.punch("1001")
    terminal.operate(4, admin=1)

    counters = unpack("<23i", client.ask(50).data)

    assert [counters[at // 4] for at in (16, 24, 32, 40, 48, 52)] == [2, 1, 101, 1, 1, 1]
    assert counters[76 // 4] == 200_000 - 101


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("true", 103), ("frozen", 100), ("zero", 0), ("lagging", 101)],
)
def test_counters_that_are_not_the_truth(
    mode: str, expected: int, client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(counts=mode, count_lag=2)
    for _ in range(3):
        terminal.punch("1001")

    assert unpack("<23i", client.ask(50).data)[8] == expected


def test_counters_of_four_bytes_answer_one_question_each(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(free_sizes_bytes=4)

    assert client.ask(50).data == bytes(4)
    assert client.ask(50, pack("<I", 6)).data == pack("<I", 100)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("size", [8, 16, 40, 49])
def test_whole_table_arrives_as_stored(size: int, transport: str) -> None:
    with SimulatedTerminal(punch_size=size) as terminal:
        terminal.load_punches(punches(3000))
        with RawClient(terminal, "tcp" if transport == "tcp" else "udp") as client:
            client.connect()
            blob = client.table(PUNCHES, 0xFFC0 if client.tcp else 16384)
            bad = client.bad_checksums

    assert blob == pack("<I", 3000 * size) + terminal.punch_bytes
    assert bad == 0


def test_small_table_comes_inline(client: RawClient) -> None:
    answer = client.prepare(USERS)

    assert answer.cmd == 1501
    assert len(answer.data) == 4 + 2 * 72


def test_chunk_comes_as_prepare_full_data_frames_and_count(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(max_data_tcp=1008)
    client.prepare(PUNCHES)

    frames = client.chunk(0, 4004)

    assert [frame.cmd for frame in frames] == [1500, 1501, 1501, 1501, 1501, 2000]
    assert frames[0].data == pack("<II", 4004, 1008)
    assert [frame.session for frame in frames[1:-1]] == [0, 1, 2, 3]
    assert [len(frame.data) for frame in frames[1:-1]] == [1008, 1008, 1008, 980]
    assert frames[-1].session == 4004
    assert len({frame.reply for frame in frames}) == 1


def test_data_index_may_run_on_over_chunks(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(index_restarts=False, max_data_tcp=1000)
    client.prepare(PUNCHES)
    client.chunk(0, 2000)

    assert [frame.session for frame in client.chunk(2000, 2000)[1:-1]] == [2, 3]


def test_datagrams_hold_at_most_1024_bytes_of_data(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal, "udp") as client:
        client.connect()
        client.prepare(PUNCHES)
        sizes = [len(frame.data) for frame in client.chunk(0, 4004) if frame.cmd == 1501]

    assert sizes == [1024, 1024, 1024, 932]


def test_table_is_the_one_of_the_request_while_the_log_grows(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    before = terminal.punch_bytes
    client.prepare(PUNCHES)
    terminal.punch("1001")
    terminal.clear_log()

    assert client.chunk(4, 4000)[1].data == before


def test_tail_is_read_from_any_offset(client: RawClient, terminal: SimulatedTerminal) -> None:
    client.prepare(PUNCHES)

    assert client.chunk(0, 4)[1].data == pack("<I", 4000)
    assert client.chunk(4 + 98 * 40, 80)[1].data == terminal.punch_bytes[-80:]
    assert client.chunk(2, 4)[1].data == b"\0\0" + terminal.punch_bytes[:2]
    assert client.chunk(4004, 40)[0].cmd == 2001


def test_offsets_refused(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(offsets="refused")
    client.prepare(PUNCHES)

    assert client.chunk(0, 4)[0].cmd == 1500
    assert client.chunk(3924, 80)[0].cmd == 2001
    assert client.table(PUNCHES, 1000) == pack("<I", 4000) + terminal.punch_bytes


def test_offsets_ignored(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(offsets="ignored")
    client.prepare(PUNCHES)
    client.chunk(0, 4)

    assert client.chunk(3924, 80)[1].data == terminal.punch_bytes[:80]
    assert client.table(PUNCHES, 1000) == pack("<I", 4000) + terminal.punch_bytes


def test_streaming_terminal_sends_the_table_at_once(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(streaming=True, max_data_tcp=1500)

    first = client.prepare(PUNCHES)
    frames = [first]
    while frames[-1].cmd != 2000:
        frames.append(client.receive())

    assert first.cmd == 1500
    blob = b"".join(frame.data for frame in frames if frame.cmd == 1501)
    assert blob == pack("<I", 4000) + terminal.punch_bytes


def test_small_chunks_may_come_bare(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(bare_chunks=True)
    client.prepare(PUNCHES)

    frames = client.chunk(0, 4)

    assert [(frame.cmd, frame.data) for frame in frames] == [(1501, pack("<I", 4000))]


@pytest.mark.parametrize(
    ("mode", "code", "data"),
    [
        ("inline", 1501, bytes(4)),
        ("prepared", 2000, pack("<BIII", 0, 4, 4, 0)),
        ("no_data", 4989, b""),
    ],
)
def test_empty_table(
    mode: str, code: int, data: bytes, client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.clear_log()
    terminal.behave(empty_table=mode)

    answer = client.prepare(PUNCHES)

    assert (answer.cmd, answer.data) == (code, data)


def test_table_may_be_shorter_than_it_says(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(size_field_excess=80)

    assert client.table(PUNCHES) == pack("<I", 4080) + terminal.punch_bytes


def test_terminal_without_buffered_reads_answers_direct_ones_with_stale_memory(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(buffered=False)

    assert client.prepare(PUNCHES).cmd == 0xFFFF
    client.send(13)
    frames = [client.receive()]
    while frames[-1].cmd != 2000:
        frames.append(client.receive())
    assert frames[0].data[:4] == pack("<I", 4004)
    assert frames[1].data[:4] == pack("<I", 4000)
    assert frames[1].data[4:] != terminal.punch_bytes


def test_old_terminal_answers_direct_reads_properly(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(buffered=False, direct_reads="proper")
    client.send(13)
    frames = [client.receive() for _ in range(3)]

    assert frames[1].data[4:] == terminal.punch_bytes


def test_tables_wait_for_the_handshake_option(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(sdk_gated=True)

    assert client.prepare(PUNCHES).cmd == 2001
    client.ask(12, b"SDKBuild=1\0")
    assert client.prepare(PUNCHES).cmd == 2000


def test_single_tables_may_be_refused(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(refused_tables=frozenset({USERS}))

    assert client.prepare(USERS).cmd == 2001
    assert client.prepare((7, 5)).cmd == 1501


def test_roll_over_drops_the_oldest(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(punch_capacity=100, drop_oldest=10)
    before = terminal.punch_bytes

    assert terminal.punch("1002")

    assert terminal.punch_count == 91
    assert client.table(PUNCHES)[4:-40] == before[400:]


def test_full_log_may_stop(terminal: SimulatedTerminal) -> None:
    terminal.behave(punch_capacity=100)

    assert not terminal.punch("1002")
    assert terminal.punch_count == 100


def test_clearing_the_log_is_noted(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.clear_log(admin=1)

    assert client.table(PUNCHES) == bytes(4)
    operations = client.table(OPERATIONS)
    assert operations[4:7] == b"\x01\x00\x17"


def test_impossible_date_is_stored(client: RawClient, terminal: SimulatedTerminal) -> None:
    raw = pack_impossible_time(2026, 2, 31)
    terminal.punch("1001", raw_time=raw)

    assert client.table(PUNCHES)[-13:-9] == pack("<I", raw)


def test_fingerprints_as_table_and_one_by_one(client: RawClient) -> None:
    template = b"\x4d\xfd" * 30

    assert client.table(TEMPLATES) == pack("<IHHBB", 66, 66, 1, 3, 1) + template
    for command, expected in ((88, template + b"\0"), (9, template)):
        client.send(command, pack("<HB", 1, 3))
        frames = [client.receive() for _ in range(3)]
        assert [frame.cmd for frame in frames] == [1500, 1501, 2000]
        assert frames[1].data == expected
        assert client.ask(command, pack("<HB", 1, 4)).cmd == 2001


def _face_by_user_id(index: int) -> bytes:
    return b"1003".ljust(24, b"\0") + bytes((0, index, 0, 0))


def _face_by_uid(index: int) -> bytes:
    return pack("<hb", 3, index)


@pytest.mark.parametrize("request_data", [_face_by_user_id, _face_by_uid])
def test_faces(
    request_data: Callable[[int], bytes], client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.add_user("1003", faces=(b"one" * 20, b"two" * 20))

    client.send(150, request_data(50))
    assert [client.receive() for _ in range(3)][1].data == b"one" * 20 + b"two" * 20
    client.send(150, request_data(1))
    assert [client.receive() for _ in range(3)][1].data == b"two" * 20
    assert client.ask(150, pack("<hb", 1, 50)).cmd == 2001


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_photo(transport: str, terminal: SimulatedTerminal) -> None:
    jpeg = b"\xff\xd8" + bytes(5000) + b"\xff\xd9"
    terminal.add_user("1003", photo=jpeg)
    with RawClient(terminal, "tcp" if transport == "tcp" else "udp") as client:
        client.connect()
        client.send(0x271A, b"1003.jpg\0")
        frames = [client.receive()]
        while frames[-1].cmd != 2000:
            frames.append(client.receive())

        assert frames[0].data == pack("<I", len(jpeg))
        assert b"".join(frame.data for frame in frames if frame.cmd == 1501) == jpeg
        assert client.ask(0x271A, b"1001.jpg\0").cmd == 4985
        terminal.behave(photos=False)
        assert client.ask(0x271A, b"1003.jpg\0").cmd == 0xFFFF


def test_users_come_and_go(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.rename_user("1001", "Ewa")
    terminal.remove_user("1002")
    terminal.add_user("7")

    blob = client.table(USERS)

    assert len(blob) == 4 + 2 * 72
    assert blob[4 + 11 : 4 + 15] == b"Ewa\0"
    assert set(terminal.users) == {"1001", "7"}


def test_every_packet_is_in_the_command_log(client: RawClient, terminal: SimulatedTerminal) -> None:
    client.ask(12, b"X=1\0")

    assert [(one.command, one.data) for one in terminal.command_log] == [
        (1000, b""),
        (12, b"X=1\0"),
    ]
    assert terminal.requests == {1000: 1, 12: 1}
    assert terminal.bytes_in == 16 + 20
    terminal.reset_counters()
    assert (terminal.command_log, terminal.bytes_in) == ([], 0)


def test_size_of_records_cannot_change_under_a_log(terminal: SimulatedTerminal) -> None:
    with pytest.raises(ValueError, match="another size"):
        terminal.behave(punch_size=16)


@pytest.mark.parametrize(
    ("command", "name"), [(27, "cap-frame-tz-reply"), (29, "cap-frame-ulg-reply")]
)
def test_any_answer_can_be_given_as_captured(
    command: int, name: str, client: RawClient, terminal: SimulatedTerminal
) -> None:
    (vector,) = vectors("tcp_frame", name)
    data = bytes.fromhex(vector["expect"]["data_hex"])
    terminal.set_answer(command, 2000, data, asked=data[:1])

    assert client.ask(command, data[:1]).data == data
    assert client.ask(command, b"other").cmd == 0xFFFF
    terminal.set_answer(command, 4981)
    assert client.ask(command, b"other").cmd == 4981


def test_any_bytes_can_be_a_table(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.set_raw_table(*TEMPLATES, bytes.fromhex("0600000000000000ffff"))

    assert client.table(TEMPLATES).hex() == "0600000000000000ffff"
    terminal.set_raw_table(*TEMPLATES, None)
    assert len(client.table(TEMPLATES)) == 70


def test_short_attendance_names_the_internal_index() -> None:
    with SimulatedTerminal(punch_size=8) as terminal, RawClient(terminal) as client:
        terminal.add_user("900001", uid=77)
        terminal.punch("900001")
        client.connect()

        assert client.table(PUNCHES)[4:6] == pack("<H", 77)
