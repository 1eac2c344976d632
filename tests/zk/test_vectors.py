"""Every published capture and computed example, against the codecs."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeTransport, ScriptedPeer
from tests.simulator.vectors import vectors
from zkbridge.zk import (
    LiveAlarm,
    LiveEnroll,
    LiveEvent,
    LivePunch,
    LiveVerify,
    TcpTransport,
    ZKDevice,
    ZKProtocolError,
)
from zkbridge.zk.codecs import (
    ATTLOG_8,
    ATTLOG_16,
    ATTLOG_40,
    USER_28,
    USER_72,
    decode_capacity,
    decode_fingerprints,
    decode_option,
    decode_text,
    decode_time,
    decode_time6,
    decode_users,
)
from zkbridge.zk.framing import (
    Frame,
    build_packet,
    build_tcp,
    checksum,
    checksum_valid,
    make_commkey,
    packet_length,
    parse_frame,
    parse_packet,
)
from zkbridge.zk.live import decode_event
from zkbridge.zk.logs import OperationDecoder, PunchDecoder
from zkbridge.zk.models import Attendance
from zkbridge.zk.opcodes import (
    CMD_CONNECT,
    CMD_EXIT,
    CMD_OPTIONS_RRQ,
    EventFlag,
)
from zkbridge.zk.transport import CMD_ACK_OK, CMD_ATTLOG_RRQ, CMD_REG_EVENT, read_buffer


def _ids(kind: str) -> list[Any]:
    return [pytest.param(one["input"], one["expect"], id=one["id"]) for one in vectors(kind)]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


Given = dict[str, Any]


@pytest.mark.parametrize(("given", "expect"), _ids("tcp_frame"))
def test_tcp_frame_is_parsed(given: Given, expect: Given) -> None:
    raw = bytes.fromhex(given["hex"])
    frame, rest = parse_frame(raw)
    assert packet_length(raw[:8]) == expect["length"]
    assert frame == Frame(
        expect["command"],
        expect["session_field"],
        expect["reply"],
        bytes.fromhex(expect["data_hex"]),
    )
    assert rest == b""
    assert checksum_valid(raw[8:]) is expect["checksum_valid"]
    assert int.from_bytes(raw[10:12], "little") == expect["checksum"]


@pytest.mark.parametrize(("given", "expect"), _ids("udp_datagram"))
def test_udp_datagram_is_parsed(given: Given, expect: Given) -> None:
    raw = bytes.fromhex(given["hex"])
    frame = parse_packet(raw)
    assert (frame.cmd, frame.session, frame.reply) == (
        expect["command"],
        expect["session_field"],
        expect["reply"],
    )
    assert frame.data.hex() == expect["data_hex"]
    assert checksum_valid(raw) is expect["checksum_valid"]


@pytest.mark.parametrize(("given", "expect"), _ids("udp_data_index"))
def test_udp_data_index_places_the_packet(given: Given, expect: Given) -> None:
    frame = parse_packet(bytes.fromhex(given["datagram_prefix_hex"]))
    assert frame.session == expect["packet_index"]
    assert frame.session * given["max_per_data_frame"] == expect["stream_offset"]
    skip = expect["bytes_before_first_whole_record"]
    (record,) = PunchDecoder(ATTLOG_16).decode(frame.data[skip : skip + ATTLOG_16.size])
    assert isinstance(record, Attendance)
    first = expect["first_records"][0]
    assert (record.user_id, _iso(record.timestamp)) == (str(first["user_id"]), first["time"])


@pytest.mark.parametrize(("given", "expect"), _ids("checksum"))
def test_checksum(given: Given, expect: Given) -> None:
    value = checksum(bytes.fromhex(given["packet_with_zero_checksum_hex"]))
    assert value == expect["checksum"]
    assert value.to_bytes(2, "little").hex() == expect["checksum_bytes_hex"]
    assert checksum_valid(bytes.fromhex(given["packet_hex"]))


@pytest.mark.parametrize(("given", "expect"), _ids("build_packet"))
def test_packet_is_built(given: Given, expect: Given) -> None:
    packet = build_packet(
        given["command"], bytes.fromhex(given["data_hex"]), given["session"], given["reply"]
    )
    assert packet.hex() == expect["udp_hex"]
    assert build_tcp(packet).hex() == expect["tcp_hex"]


@pytest.mark.parametrize(("given", "expect"), _ids("commkey"))
def test_comm_key_is_scrambled(given: Given, expect: Given) -> None:
    assert make_commkey(given["key"], given["session"], given["ticks"]).hex() == expect["hex"]


@pytest.mark.parametrize(("given", "expect"), _ids("time_packed"))
def test_packed_time(given: Given, expect: Given) -> None:
    moment = decode_time(int.from_bytes(bytes.fromhex(given["hex"]), "little"))
    assert _iso(moment) == expect["iso"]


@pytest.mark.parametrize(("given", "expect"), _ids("time6"))
def test_six_byte_time(given: Given, expect: Given) -> None:
    moment, _ = decode_time6(bytes.fromhex(given["hex"]))
    assert _iso(moment) == expect["iso"]


_COUNTERS = {
    "users": "users",
    "fingers": "fingerprints",
    "records": "punches",
    "oplog": "op_log",
    "admins": "admins",
    "passwords": "passwords",
    "fingers_cap": "fingerprints_capacity",
    "users_cap": "users_capacity",
    "records_cap": "punches_capacity",
    "fingers_free": "fingerprints_free",
    "users_free": "users_free",
    "records_free": "punches_free",
    "faces": "faces",
    "faces_cap": "faces_capacity",
}


@pytest.mark.parametrize(("given", "expect"), _ids("free_sizes"))
def test_counters(given: Given, expect: Given) -> None:
    capacity = decode_capacity(bytes.fromhex(given["data_hex"]))
    wanted = {name: expect[name] for name in _COUNTERS if name in expect}
    assert {name: getattr(capacity, _COUNTERS[name]) for name in wanted} == wanted


@pytest.mark.parametrize(("given", "expect"), _ids("attendance_record"))
def test_attendance_record(given: Given, expect: Given) -> None:
    layout = {8: ATTLOG_8, 16: ATTLOG_16, 40: ATTLOG_40}[given["size"]]
    (record,) = PunchDecoder(layout).decode(bytes.fromhex(given["hex"]))
    assert isinstance(record, Attendance)
    assert _iso(record.timestamp) == expect["time"]
    assert (record.status, record.punch) == (expect["verify"], expect["punch"])
    assert record.user_id == str(expect.get("user_id", expect.get("uid")))
    assert record.uid == expect.get("head_u16", expect.get("uid"))
    assert record.work_code == expect.get("workcode", 0)
    assert record.uid_only is (given["size"] == 8)


@pytest.mark.parametrize(("given", "expect"), _ids("attendance_table"))
def test_attendance_table(given: Given, expect: Given) -> None:
    transport = FakeTransport()
    transport.tables[CMD_ATTLOG_RRQ, 0] = bytes.fromhex(given["blob_hex"])
    transport.tables[9, 5] = bytes(4)
    transport.counters = (
        bytes(32) + given["count_from_free_sizes"].to_bytes(4, "little") + bytes(56)
    )
    rows: list[Attendance] = []
    with ZKDevice(transport=transport) as device:
        read = device.read_log("punches")
        if expect.get("incomplete"):
            with pytest.raises(ZKProtocolError):
                rows.extend(row for row in read if isinstance(row, Attendance))
        else:
            rows.extend(row for row in read if isinstance(row, Attendance))
    assert (read.layout.size if read.layout is not None else None) == expect["record_size"]
    assert [
        {
            "user_id": row.user_id,
            "time": _iso(row.timestamp),
            "time_raw": row.raw_time,
            "verify": row.status,
            "punch": row.punch,
        }
        for row in rows
    ] == [
        {"time_raw": row.raw_time} | {k: v for k, v in one.items() if k != "workcode"}
        for row, one in zip(rows, expect["records"], strict=True)
    ]


@pytest.mark.parametrize(("given", "expect"), _ids("user_record"))
def test_user_record(given: Given, expect: Given) -> None:
    layout = {72: USER_72, 28: USER_28}[given["size"]]
    (user,) = decode_users(bytes.fromhex(given["hex"]), layout, given.get("encoding", "utf-8"))
    assert {
        "uid": user.uid,
        "privilege_byte": user.privilege,
        "role": user.role,
        "disabled": user.disabled,
        "password": user.password,
        "name": user.name,
        "card": user.card,
        "group": int(user.group_id),
        "user_id": user.user_id,
    } == {
        key: value
        for key, value in expect.items()
        if key not in {"own_timezones", "timezones", "timezones_bitmap"}
    }
    if "own_timezones" in expect:
        assert (user.own_timezones, list(user.timezones)) == (
            expect["own_timezones"],
            expect["timezones"],
        )


@pytest.mark.parametrize(("given", "expect"), _ids("oplog_record"))
def test_operation_record(given: Given, expect: Given) -> None:
    raw = bytes.fromhex(given["hex"])
    (entry,) = OperationDecoder().decode(raw)
    assert (entry.op, entry.admin_uid, _iso(entry.timestamp), list(entry.params), entry.raw) == (
        expect["op"],
        expect["admin"],
        expect["time"],
        expect["params"],
        raw,
    )
    assert entry.target_uid == expect["params"][0]


def _event(code: int, given: Given) -> LiveEvent:
    return decode_event(Frame(CMD_REG_EVENT, code, 0, bytes.fromhex(given["data_hex"])))


@pytest.mark.parametrize(("given", "expect"), _ids("realtime_attlog"))
def test_live_punch(given: Given, expect: Given) -> None:
    event = _event(EventFlag.ATTLOG, given)
    assert isinstance(event, LivePunch)
    assert (event.user_id, event.status, event.punch, _iso(event.timestamp)) == (
        expect["user_id"],
        expect["verify"],
        expect["punch"],
        expect["time"],
    )
    if "tail_hex" in expect:
        assert (event.tail.hex() or None) == expect["tail_hex"]


_ALARM_KINDS = {"door_closing": "door_closed", "anti_passback": "passback"}


@pytest.mark.parametrize(("given", "expect"), _ids("realtime_alarm"))
def test_live_alarm(given: Given, expect: Given) -> None:
    event = _event(EventFlag.ALARM, given)
    assert isinstance(event, LiveAlarm)
    assert event.kind == _ALARM_KINDS.get(expect["name"], expect["name"])
    assert event.alarm == expect["alarm"]
    assert (event.uid, event.match_type) == (expect.get("uid"), expect.get("match_type"))


@pytest.mark.parametrize(("given", "expect"), _ids("realtime_verify"))
def test_live_verification(given: Given, expect: Given) -> None:
    event = _event(EventFlag.VERIFY, given)
    assert isinstance(event, LiveVerify)
    assert (event.uid, event.identified) == (expect["uid"], expect["identified"])


@pytest.mark.parametrize(("given", "expect"), _ids("realtime_enroll"))
def test_live_enrolment(given: Given, expect: Given) -> None:
    event = _event(EventFlag.ENROLLFINGER, given)
    assert isinstance(event, LiveEnroll)
    assert (event.result, event.template_size, event.user_id, event.finger) == (
        expect["result"],
        expect["template_size"],
        expect["user_id"],
        expect["finger"],
    )


@pytest.mark.parametrize(("given", "expect"), _ids("option_reply"))
def test_option_reply(given: Given, expect: Given) -> None:
    assert decode_option(bytes.fromhex(given["data_hex"])) == expect["value"]


@pytest.mark.parametrize(("given", "expect"), _ids("firmware_reply"))
def test_firmware_reply(given: Given, expect: Given) -> None:
    assert decode_text(bytes.fromhex(given["data_hex"])) == expect["text"]


@pytest.mark.parametrize(("given", "expect"), _ids("fp_template_head"))
def test_fingerprint_head(given: Given, expect: Given) -> None:
    entry = bytes.fromhex(given["hex"]).ljust(expect["entry_size"], b"\0")
    (template,) = decode_fingerprints(entry)
    assert (template.uid, template.finger_index, template.flag, len(template.data)) == (
        expect["uid"],
        expect["finger"],
        expect["flag"],
        expect["template_size"],
    )
    assert template.data.hex().startswith(expect["template_prefix_hex"])


@pytest.mark.parametrize(("given", "expect"), _ids("fp_template_table"))
def test_fingerprint_table(given: Given, expect: Given) -> None:
    transport = FakeTransport()
    transport.tables[7, 2] = bytes.fromhex(given["blob_hex"])
    with ZKDevice(transport=transport) as device:
        templates = device.fingerprint_templates()
    assert [
        {"uid": t.uid, "finger": t.finger_index, "flag": t.flag, "data_hex": t.data.hex()}
        for t in templates
    ] == expect["templates"]


@pytest.mark.parametrize(("given", "expect"), _ids("conversation"))
def test_conversation_is_held_byte_for_byte(given: Given, expect: Given) -> None:
    steps = [(step["from"], bytes.fromhex(step["hex"])) for step in given["steps"]]
    first, _ = parse_frame(steps[0][1])
    script = [
        ("client", build_tcp(build_packet(CMD_CONNECT, b"", 0, 0))),
        ("device", build_tcp(build_packet(CMD_ACK_OK, b"", first.session, 0))),
    ]
    for number in range(1, first.reply):
        request = build_packet(CMD_OPTIONS_RRQ, b"X\0", first.session, number)
        answer = build_packet(CMD_ACK_OK, b"X=1\0", first.session, number)
        script += [("client", build_tcp(request)), ("device", build_tcp(answer))]
    last, _ = parse_frame(steps[-1][1])
    goodbye = build_packet(CMD_EXIT, b"", first.session, last.reply + 1)
    thanks = build_packet(CMD_ACK_OK, b"", first.session, last.reply + 1)
    end = [("client", build_tcp(goodbye)), ("device", build_tcp(thanks))]
    with ScriptedPeer([*script, *steps, *end]) as peer:
        transport = TcpTransport("127.0.0.1", peer.port, timeout=2)
        transport.connect()
        transport.chunk_size = 200
        for _ in range(1, first.reply):
            transport.capture(CMD_OPTIONS_RRQ, b"X\0")
        table = read_buffer(transport, CMD_ATTLOG_RRQ, 0)
        transport.disconnect()
    assert peer.failure is None
    assert table.hex() == expect["table_hex"]


def test_every_kind_of_vector_is_tested() -> None:
    tested = {
        "tcp_frame",
        "udp_datagram",
        "udp_data_index",
        "checksum",
        "build_packet",
        "commkey",
        "time_packed",
        "time6",
        "free_sizes",
        "attendance_record",
        "attendance_table",
        "user_record",
        "oplog_record",
        "realtime_attlog",
        "realtime_alarm",
        "realtime_verify",
        "realtime_enroll",
        "option_reply",
        "firmware_reply",
        "fp_template_head",
        "fp_template_table",
        "conversation",
    }
    golden = Path(__file__).parent.parent / "golden" / "vectors.json"
    everything = json.loads(golden.read_text(encoding="utf-8"))["vectors"]
    assert {one["kind"] for one in everything} == tested
