"""The simulator's encoders against the published captures."""

from datetime import datetime
from typing import Any

import pytest

from tests.simulator.vectors import vectors
from zkbridge.simulator.records import (
    SimulatedOperation,
    SimulatedPunch,
    SimulatedUser,
    alarm_event,
    attlog_event,
    enroll_finger_event,
    free_sizes,
    operation_record,
    pack_impossible_time,
    pack_time,
    punch_record,
    table,
    template_entry,
    time6,
    user_record,
    verify_event,
)

Vector = dict[str, Any]


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def packed(text: str | None, raw: int | None = None) -> int:
    return raw if text is None and raw is not None else pack_time(datetime.fromisoformat(str(text)))


@pytest.mark.parametrize("vector", vectors("attendance_record"), ids=by_id)
def test_attendance_record_is_written_as_captured(vector: Vector) -> None:
    expect, size = vector["expect"], vector["input"]["size"]
    punch = SimulatedPunch(
        user_id=expect.get("user_id", str(expect.get("uid"))),
        raw_time=packed(expect["time"]),
        verify=expect["verify"],
        state=expect["punch"],
        uid=expect.get("head_u16", expect.get("uid", 0)),
        work_code=expect.get("workcode", 0),
    )

    assert punch_record(punch, size).hex() == vector["input"]["hex"]


@pytest.mark.parametrize(
    "vector",
    [
        one
        for one in vectors("attendance_table", "cmp-table4")
        if one["id"] != "cmp-table40-badcount"
    ],
    ids=by_id,
)
def test_attendance_table_is_written_as_published(vector: Vector) -> None:
    records = [
        SimulatedPunch(
            record["user_id"],
            packed(record["time"], record["time_raw"]),
            record["verify"],
            record["punch"],
            uid=index + 1,
        )
        for index, record in enumerate(vector["expect"]["records"])
    ]

    blob = table(punch_record(one, vector["expect"]["record_size"]) for one in records)

    assert blob.hex() == vector["input"]["blob_hex"]


def test_16_byte_table_has_state_before_verify() -> None:
    (vector,) = vectors("attendance_table", "cmp-table16")
    published = bytes.fromhex(vector["input"]["blob_hex"])
    records = [
        SimulatedPunch(
            record["user_id"],
            record["time_raw"],
            record["verify"],
            record["punch"],
            work_code=record["workcode"],
        )
        for record in vector["expect"]["records"]
    ]

    blob = bytearray(table(punch_record(one, 16) for one in records))
    blob[4 + 2 * 16 + 10 : 4 + 2 * 16 + 12] = published[4 + 2 * 16 + 10 : 4 + 2 * 16 + 12]

    assert bytes(blob) == published


@pytest.mark.parametrize("vector", vectors("user_record"), ids=by_id)
def test_user_record_is_written_as_captured(vector: Vector) -> None:
    expect, size = vector["expect"], vector["input"]["size"]
    captured = bytes.fromhex(vector["input"]["hex"])
    bitmap = expect.get("timezones_bitmap", 0)
    user = SimulatedUser(
        uid=expect["uid"],
        user_id=expect["user_id"],
        name=expect["name"],
        privilege=expect["privilege_byte"],
        password=expect["password"],
        card=expect["card"],
        group=expect["group"],
        own_timezones=expect.get("own_timezones", False),
        timezones=tuple(expect.get("timezones", (0, 0, 0))),
    )

    written = bytearray(user_record(user, size, vector["input"].get("encoding", "utf-8")))
    # Garbage behind a password's NUL is the terminal's; only the short form has a bitmap.
    width = 5 if size == 28 else 8
    used = len(expect["password"])
    if used < width:
        written[3 + used + 1 : 3 + width] = captured[3 + used + 1 : 3 + width]
    if size == 28:
        written[22:24] = bitmap.to_bytes(2, "little")
        written[20] = captured[20]

    assert bytes(written).hex() == captured.hex()


@pytest.mark.parametrize("vector", vectors("oplog_record"), ids=by_id)
def test_operation_is_written_as_captured(vector: Vector) -> None:
    expect = vector["expect"]
    operation = SimulatedOperation(
        expect["op"],
        packed(expect["time"], expect.get("time_raw")),
        expect["admin"],
        tuple(expect["params"]),
        expect.get("pad", 0),
    )

    assert operation_record(operation).hex() == vector["input"]["hex"]


@pytest.mark.parametrize("vector", vectors("free_sizes"), ids=by_id)
def test_counters_are_written_as_captured(vector: Vector) -> None:
    captured = bytes.fromhex(vector["input"]["data_hex"])
    known = {name: value or 0 for name, value in vector["expect"].items()}

    assert free_sizes(known, len(captured)) == captured


@pytest.mark.parametrize("vector", vectors("time_packed"), ids=by_id)
def test_time_is_packed_as_captured(vector: Vector) -> None:
    data = next(value for key, value in vector["input"].items() if key.endswith("hex"))
    raw = int.from_bytes(bytes.fromhex(data), "little")
    expect = vector["expect"]
    if expect.get("iso"):
        moment = datetime.fromisoformat(expect["iso"])
        # The calendar wraps after a hundred years.
        assert pack_time(moment) == raw % (100 * 372 * 86400)
    else:
        fields = expect.get("fields", expect)
        seconds = fields["hour"] * 3600 + fields["minute"] * 60 + fields["second"]
        made = pack_impossible_time(fields["year"], fields["month"], fields["day"], seconds)
        assert made == raw


@pytest.mark.parametrize("vector", vectors("realtime_attlog"), ids=by_id)
def test_live_punch_is_written_as_published(vector: Vector) -> None:
    expect, data = vector["expect"], bytes.fromhex(vector["input"]["data_hex"])
    tail = bytes.fromhex(expect.get("tail_hex") or "")
    moment = datetime.fromisoformat(expect["time"])
    punch = SimulatedPunch(
        expect["user_id"],
        pack_time(moment),
        expect["verify"],
        expect["punch"],
        work_code=int.from_bytes(tail[:4], "little"),
    )

    assert attlog_event(punch, moment, len(data)) == data


def test_live_punch_is_written_as_captured_in_its_frame() -> None:
    (vector,) = vectors("tcp_frame", "cap-frame-rt-attlog-32")
    expect = vector["expect"]
    moment = datetime.fromisoformat(expect["time"])
    punch = SimulatedPunch(expect["user_id"], 0, expect["verify"], expect["punch"])

    assert attlog_event(punch, moment, 32).hex() == expect["data_hex"]


@pytest.mark.parametrize("vector", vectors("realtime_alarm"), ids=by_id)
def test_alarm_is_written_as_published(vector: Vector) -> None:
    expect = vector["expect"]

    payload = alarm_event(expect["alarm"], expect.get("uid"), match=expect.get("match_type", 1))

    assert payload.hex() == vector["input"]["data_hex"]


@pytest.mark.parametrize("vector", vectors("realtime_verify"), ids=by_id)
def test_verification_is_written_as_published(vector: Vector) -> None:
    assert verify_event(vector["expect"]["uid"]).hex() == vector["input"]["data_hex"]


@pytest.mark.parametrize("vector", vectors("realtime_enroll"), ids=by_id)
def test_enrolment_is_written_as_published(vector: Vector) -> None:
    expect = vector["expect"]

    payload = enroll_finger_event(
        expect["result"],
        expect["template_size"] or 0,
        expect["user_id"] or "",
        expect["finger"] or 0,
    )

    assert payload.hex() == vector["input"]["data_hex"]


def test_fingerprint_table_is_written_as_published() -> None:
    (vector,) = vectors("fp_template_table")
    entries = [
        template_entry(one["uid"], one["finger"], one["flag"], bytes.fromhex(one["data_hex"]))
        for one in vector["expect"]["templates"]
    ]

    assert table(entries).hex() == vector["input"]["blob_hex"]


def test_live_time_has_one_byte_per_field() -> None:
    assert time6(datetime.fromisoformat("2026-11-22T15:30:07")).hex() == "1a0b160f1e07"


@pytest.mark.parametrize("size", [0, 7, 9, 39])
def test_unknown_attendance_layout_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="no attendance layout"):
        punch_record(SimulatedPunch("1", 0), size)


@pytest.mark.parametrize("size", [0, 16, 73])
def test_unknown_user_layout_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="no user layout"):
        user_record(SimulatedUser(1, "1"), size)


@pytest.mark.parametrize("size", [0, 11, 31])
def test_unknown_live_form_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="no live punch"):
        attlog_event(SimulatedPunch("1", 0), datetime.fromisoformat("2026-01-01"), size)


def test_long_utf8_name_is_not_cut_inside_a_character() -> None:
    record = user_record(SimulatedUser(1, "1", "Đ" * 20), 72)

    assert record[11:35].rstrip(b"\0").decode("utf-8") == "Đ" * 11
