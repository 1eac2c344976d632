"""Whatever arrives: a typed error or the right value, never anything else."""

from datetime import datetime
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeTransport
from zkbridge.zk import (
    Attendance,
    Frame,
    LiveEvent,
    LogCursor,
    Undecodable,
    ZKDevice,
    ZKError,
    ZKProtocolError,
)
from zkbridge.zk.bulk import gather
from zkbridge.zk.codecs import (
    ATTLOG_8,
    ATTLOG_8B,
    ATTLOG_16,
    ATTLOG_40,
    ATTLOG_49,
    USER_16,
    USER_28,
    USER_72,
    decode_capacity,
    decode_fingerprints,
    decode_option,
    decode_text,
    decode_time,
    decode_time6,
    decode_users,
    encode_time,
)
from zkbridge.zk.exchange import Exchange, Verdict
from zkbridge.zk.framing import (
    FrameReader,
    build_packet,
    build_tcp,
    checksum,
    checksum_valid,
    make_commkey,
    parse_frame,
    parse_packet,
)
from zkbridge.zk.layouts import attendance_layout, user_layout
from zkbridge.zk.live import decode_event
from zkbridge.zk.logs import OperationDecoder, PunchDecoder
from zkbridge.zk.opcodes import (
    CMD_ACK_OK,
    CMD_ATTLOG_RRQ,
    CMD_DATA,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REG_EVENT,
)

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
PUNCH_LAYOUTS = (ATTLOG_40, ATTLOG_49, ATTLOG_16, ATTLOG_8, ATTLOG_8B)
REPLIES = st.sampled_from(
    [CMD_ACK_OK, CMD_DATA, CMD_PREPARE_DATA, CMD_REG_EVENT, 2001, 2005, 4989, 65535]
)
FRAMES = st.builds(Frame, REPLIES, U16, st.integers(0, 3), st.binary(max_size=40))


@given(st.lists(st.tuples(U16, st.binary(max_size=50), U16, U16), max_size=6), st.data())
def test_frames_survive_any_split(
    packets: list[tuple[int, bytes, int, int]], data: st.DataObject
) -> None:
    stream = b"".join(build_tcp(build_packet(*packet)) for packet in packets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader()
    frames: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        frames += list(reader)
    assert frames == [Frame(cmd, session, reply, body) for cmd, body, session, reply in packets]
    assert reader.bad_checksums == 0


@given(st.binary(max_size=200), st.data())
def test_mutated_stream_is_an_error_or_frames(body: bytes, data: st.DataObject) -> None:
    stream = bytearray(build_tcp(build_packet(CMD_DATA, body, 1, 1)) * 2)
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    reader = FrameReader()
    reader.feed(bytes(stream))
    try:
        frames = list(reader)
    except ZKProtocolError:
        return
    assert all(len(frame.data) <= len(stream) for frame in frames)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_error_or_a_frame(raw: bytes) -> None:
    try:
        frame, rest = parse_frame(raw)
    except ZKProtocolError:
        return
    assert len(frame.data) + 16 + len(rest) == len(raw)


@given(U16, st.binary(max_size=100), U16, U16)
def test_packet_is_what_it_was(command: int, body: bytes, session: int, reply: int) -> None:
    packet = build_packet(command, body, session, reply)
    assert parse_packet(packet) == Frame(command, session, reply, body)
    assert checksum_valid(packet)


@given(st.binary(min_size=8, max_size=64))
def test_checksum_is_the_folded_sum_of_words(packet: bytes) -> None:
    padded = packet + b"\0" * (len(packet) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "little") for at in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(packet) == total ^ 0xFFFF


@given(U32, U16)
def test_comm_key_has_four_bytes(key: int, session: int) -> None:
    assert len(make_commkey(key, session)) == 4


@given(U32)
def test_packed_time_is_its_moment_or_none(raw: int) -> None:
    moment = decode_time(raw)
    if moment is not None and moment.year < 2100:
        date, time = (moment.year, moment.month, moment.day), (moment.hour, moment.minute)
        assert encode_time(date, (*time, moment.second)) == raw


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31))  # noqa: DTZ001  wall clock
)
def test_every_moment_can_be_packed(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    raw = encode_time(
        (moment.year, moment.month, moment.day), (moment.hour, moment.minute, moment.second)
    )
    assert decode_time(raw) == moment


@given(st.binary(min_size=6, max_size=6))
def test_six_bytes_are_a_moment_or_none(raw: bytes) -> None:
    moment, packed = decode_time6(raw)
    assert 0 <= packed <= 0xFFFFFFFF
    if moment is not None:
        assert (moment.year - 2000, moment.month, moment.day) == tuple(raw[:3])


@given(st.binary(max_size=64), st.sampled_from(["utf-8", "cp1256", "gbk", "latin-1", "no such"]))
def test_any_text_is_text(raw: bytes, encoding: str) -> None:
    assert "\0" not in decode_text(raw, encoding)
    assert isinstance(decode_option(raw), str)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=24))
def test_utf8_text_that_the_field_cuts_loses_only_its_last_letter(text: str) -> None:
    field = text.encode()[:24].ljust(24, b"\0")
    assert text.startswith(decode_text(field))


@given(st.binary(max_size=128))
def test_any_counters(raw: bytes) -> None:
    capacity = decode_capacity(raw)
    if len(raw) < 80:
        assert capacity.users is None
    assert capacity.users is None or capacity.users >= 0


@pytest.mark.parametrize("layout", PUNCH_LAYOUTS, ids=lambda layout: layout.name)
@given(data=st.data())
def test_any_punch_records_are_one_row_each(layout: object, data: st.DataObject) -> None:
    chosen = next(each for each in PUNCH_LAYOUTS if each is layout)
    count = data.draw(st.integers(0, 5))
    raw = data.draw(st.binary(min_size=count * chosen.size, max_size=count * chosen.size))
    decoder = PunchDecoder(chosen, {1: "one"})
    rows = decoder.decode(raw)
    assert len(rows) == decoder.position == count
    for row in rows:
        if isinstance(row, Undecodable):
            assert row.raw == raw[row.position * chosen.size :][: chosen.size]
        else:
            assert row.timestamp == decode_time(row.raw_time)


@given(st.binary(max_size=160))
def test_any_operations_are_one_row_each(raw: bytes) -> None:
    whole = raw[: len(raw) - len(raw) % 16]
    rows = OperationDecoder().decode(whole)
    assert b"".join(row.raw for row in rows) == whole


@pytest.mark.parametrize("layout", [USER_72, USER_28, USER_16], ids=lambda layout: layout.name)
@given(data=st.data())
def test_any_user_records_are_users(layout: object, data: st.DataObject) -> None:
    chosen = next(each for each in (USER_72, USER_28, USER_16) if each is layout)
    raw = data.draw(st.binary(min_size=chosen.size, max_size=chosen.size))
    (user,) = decode_users(raw, chosen)
    assert user.user_id
    assert user.name


@given(st.binary(max_size=300))
def test_any_fingerprints_are_templates_or_an_error(raw: bytes) -> None:
    try:
        templates = decode_fingerprints(raw)
    except ZKProtocolError:
        return
    assert sum(len(template.data) + 6 for template in templates) <= len(raw)


@given(U16, st.binary(max_size=60))
def test_any_event_is_an_event(code: int, payload: bytes) -> None:
    event = decode_event(Frame(CMD_REG_EVENT, code, 0, payload))
    assert isinstance(event, LiveEvent)
    assert (event.code, event.raw) == (code, payload)


@given(st.binary(max_size=400), st.integers(0, 400) | st.none())
def test_any_table_has_a_layout_that_divides_it_or_none(raw: bytes, count: int | None) -> None:
    try:
        layout = attendance_layout(raw, len(raw), count, 2027)
    except ZKProtocolError:
        return
    assert len(raw) % layout.size == 0


@given(st.binary(max_size=400), st.integers(0, 400) | st.none())
def test_any_user_table_has_a_layout_that_divides_it_or_none(raw: bytes, count: int | None) -> None:
    try:
        layout = user_layout(raw, count)
    except ZKProtocolError:
        return
    assert len(raw) % layout.size == 0


@given(st.lists(FRAMES, max_size=12), st.booleans(), st.integers(0, 80))
def test_any_frames_end_an_exchange_or_not_and_never_make_more_bytes(
    frames: list[Frame],
    ordered: bool,  # noqa: FBT001  drawn
    size: int,
) -> None:
    exchange = Exchange(CMD_READ_BUFFER, 1, pack("<ii", 0, size), ordered=ordered)
    kept: list[Frame] = []
    try:
        for frame in frames:
            verdict = exchange.accept(frame)
            if verdict in {Verdict.PART, Verdict.LAST}:
                kept.append(frame)
            if verdict is Verdict.LAST:
                break
    except ZKProtocolError:
        return
    assert all(frame.reply == 1 and frame.cmd != CMD_REG_EVENT for frame in kept)
    assert sum(len(frame.data) for frame in kept if frame.cmd == CMD_DATA) <= max(size, 0) or (
        not kept
    )


@given(st.binary(max_size=4000), st.integers(1, 400), st.randoms(use_true_random=False))
def test_shuffled_and_doubled_packets_are_put_in_order(
    blob: bytes, most: int, random: object
) -> None:
    parts = [blob[at : at + most] for at in range(0, len(blob), most)]
    frames = [
        Frame(CMD_PREPARE_DATA, 1, 1, pack("<II", len(blob), most)),
        *(Frame(CMD_DATA, index, 1, part) for index, part in enumerate(parts)),
        Frame(CMD_ACK_OK, 0, 1),
    ]
    mixed = [*frames, *frames[1:-1]]
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis gives a Random
    exchange = Exchange(CMD_READ_BUFFER, 1, pack("<ii", 0, len(blob)), ordered=False)
    for frame in mixed:
        if exchange.accept(frame) is Verdict.LAST:
            break
    assert exchange.complete
    data = gather(exchange.answer()).data
    assert (data or b"") == blob


@given(st.binary(max_size=200))
def test_any_text_is_a_cursor_or_an_error(raw: bytes) -> None:
    try:
        LogCursor.from_json(raw.decode("latin-1"))
    except ZKError:
        return


@given(st.lists(FRAMES, max_size=4), st.lists(FRAMES, max_size=4))
def test_any_answers_to_a_table_request_are_rows_or_a_typed_error(
    prepared: list[Frame], slices: list[Frame]
) -> None:
    fake = FakeTransport()
    fake.answers[CMD_PREPARE_BUFFER] = prepared
    fake.answers[CMD_READ_BUFFER] = slices
    with ZKDevice(transport=fake) as device:
        try:
            rows = list(device.attendance())
        except ZKError:
            return
    assert all(isinstance(row, Attendance) for row in rows)


@given(st.binary(max_size=600))
def test_any_table_is_rows_or_a_typed_error(blob: bytes) -> None:
    fake = FakeTransport()
    fake.tables[CMD_ATTLOG_RRQ, 0] = len(blob).to_bytes(4, "little") + blob
    fake.tables[9, 5] = bytes(4)
    fake.inline_limit = 0
    with ZKDevice(transport=fake) as device:
        try:
            rows = list(device.attendance())
        except ZKError:
            return
    assert len(rows) * 8 <= len(blob)
