"""Every read of ``ZKDevice`` through a transport that can only connect, disconnect, capture."""

from datetime import datetime
from struct import pack

import pytest

from tests.fakes import FakeTransport
from zkbridge.zk import (
    Frame,
    ZKDevice,
    ZKNotSupported,
    ZKProtocolError,
)
from zkbridge.zk.opcodes import (
    CMD_ACK_ERROR,
    CMD_ACK_NO_DATA,
    CMD_ACK_NO_PHOTO,
    CMD_ACK_OK,
    CMD_ACK_UNAUTH,
    CMD_ACK_UNSUPPORTED,
    CMD_DATA,
    CMD_FACE_RRQ,
    CMD_FREE_DATA,
    CMD_OPTIONS_WRQ,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REG_EVENT,
    CMD_USER_PHOTO,
)
from zkbridge.zk.transport import first_data, read_buffer


def attlog(count: int) -> bytes:
    """A punch table of 40-byte records."""
    return pack("<I", count * 40) + b"".join(
        pack("<H24sBIB8x", index, b"%d" % (index % 9 + 1), 1, 864287883 + index, 0)
        for index in range(count)
    )


def counters(*, users: int = 0, punches: int = 0, op_log: int = 0) -> bytes:
    """An answer to CMD_GET_FREE_SIZES."""
    return pack("<16xi4xi4xi4xi4xi48x", users, 0, punches, op_log, 0)


def user_table(*ids: str) -> bytes:
    """A user table of 72-byte records."""
    return pack("<I", 72 * len(ids)) + b"".join(
        pack("<HB8s24sIB8x24s", uid, 0, b"1", b"", 5, 1, user_id.encode())
        for uid, user_id in enumerate(ids, 1)
    )


@pytest.fixture
def transport() -> FakeTransport:
    """A terminal with a small table of each kind."""
    fake = FakeTransport()
    fake.tables[9, 5] = user_table("007", "8")
    fake.tables[13, 0] = attlog(100)
    fake.tables[34, 0] = pack("<I", 16) + bytes.fromhex("0000062ac29b68230300000007000205")
    fake.tables[7, 2] = pack("<I", 8) + pack("<HHBB2s", 8, 1, 3, 1, b"ab")
    fake.counters = counters(users=2, punches=100, op_log=1)
    fake.options |= {"FirmVer": "Ver 6.60", "~Platform": "ZMM220_TFT"}
    return fake


def test_everything_can_be_read(transport: FakeTransport) -> None:
    transport.blobs[CMD_USER_PHOTO, b"007.jpg\0"] = b"\xff\xd8jpeg"
    transport.blobs[CMD_FACE_RRQ, pack("<24sxB2x", b"007", 50)] = b"face"
    with ZKDevice("10.0.0.9", transport=transport) as device:
        info = device.device_info()
        users = device.users()
        punches = list(device.attendance())
        operations = list(device.op_logs())
        fingers = device.fingerprint_templates()
        faces = device.face_templates()
        photo = device.user_photo("007")
        clock = device.clock()
    assert (info.ip, info.serial, info.firmware, info.platform) == (
        "10.0.0.9",
        "FAKE001",
        "Ver 6.60",
        "ZMM220_TFT",
    )
    assert (info.users_count, info.attendance_count) == (2, 100)
    assert [(user.uid, user.user_id, user.name) for user in users] == [
        (1, "007", "007"),
        (2, "8", "8"),
    ]
    assert [punch.uid for punch in punches] == list(range(100))
    assert [(entry.op, entry.target_uid) for entry in operations] == [(6, 3)]
    assert [(finger.uid, finger.finger_index, finger.data) for finger in fingers] == [(1, 3, b"ab")]
    assert [(face.uid, face.data) for face in faces] == [(1, b"face")]
    assert photo == b"\xff\xd8jpeg"
    assert clock == datetime(2026, 11, 22, 7, 58, 3)  # noqa: DTZ001  wall clock
    assert not transport.connected


def test_events_between_the_frames_of_an_answer_change_nothing(transport: FakeTransport) -> None:
    transport.events = [Frame(CMD_REG_EVENT, 1, 0, b"x" * 32)]
    with ZKDevice(transport=transport) as device:
        assert len(list(device.attendance())) == 100


def test_live_events_need_more_than_capture(transport: FakeTransport) -> None:
    transport.answers[CMD_REG_EVENT] = [Frame(CMD_ACK_OK, 1, 1)]
    with ZKDevice(transport=transport) as device, pytest.raises(ZKNotSupported):
        next(device.live_events())


def test_handshake_option_is_set_and_put_back(transport: FakeTransport) -> None:
    with ZKDevice(transport=transport):
        assert transport.options["SDKBuild"] == "1"
    assert transport.options["SDKBuild"] == "0"


def test_handshake_option_that_is_set_already_is_not_written(transport: FakeTransport) -> None:
    transport.options["SDKBuild"] = "1"
    with ZKDevice(transport=transport):
        pass
    assert CMD_OPTIONS_WRQ not in [command for command, _ in transport.sent]


def test_handshake_can_be_left_out_and_done_later(transport: FakeTransport) -> None:
    remembered: list[str] = []
    with ZKDevice(transport=transport, handshake=False) as device:
        before = (device.handshake_done, transport.options["SDKBuild"])
        device.session.handshake(remember=remembered.append)
        after = (device.handshake_done, transport.options["SDKBuild"])
    assert (before, after) == ((False, "0"), (True, "1"))
    assert remembered == ["0"]
    assert transport.options["SDKBuild"] == "0"


def test_value_of_a_session_that_never_put_it_back_is_put_back(transport: FakeTransport) -> None:
    transport.options["SDKBuild"] = "1"
    with ZKDevice(transport=transport, handshake=False) as device:
        device.session.handshake("7")
    assert transport.options["SDKBuild"] == "7"


def test_opening_that_fails_half_way_puts_the_option_back(transport: FakeTransport) -> None:
    failing = [Frame(CMD_ACK_UNAUTH, 1, 1)]

    class Forgetful(FakeTransport):
        def capture(self, command: int, data: bytes = b"") -> list[Frame]:
            if data == b"~SerialNumber\0":
                return failing
            return super().capture(command, data)

    fake = Forgetful()
    with pytest.raises(ZKProtocolError):
        ZKDevice(transport=fake).open()
    assert fake.options["SDKBuild"] == "0"
    assert not fake.connected


def test_second_form_is_asked_where_the_first_is_refused(transport: FakeTransport) -> None:
    transport.tables[7, 1] = transport.tables.pop((13, 0))
    with ZKDevice(transport=transport) as device:
        assert len(list(device.attendance())) == 100


def test_terminal_without_buffered_reads_is_refused_with_a_clear_error(
    transport: FakeTransport,
) -> None:
    transport.tables.clear()
    with (
        ZKDevice(transport=transport) as device,
        pytest.raises(ZKNotSupported, match=r"attendance is not supported.*2001"),
    ):
        list(device.attendance())


@pytest.mark.parametrize(
    "answer",
    [
        [Frame(CMD_ACK_NO_DATA, 1, 1)],
        [Frame(CMD_DATA, 0, 1, b"\0\0\0\0")],
        [Frame(CMD_DATA, 0, 1, b"")],
        [Frame(CMD_ACK_OK, 1, 1, pack("<BIII", 0, 0, 0, 0))],
        [Frame(CMD_ACK_OK, 1, 1, pack("<BIII", 0, 4, 4, 0))],
    ],
    ids=["no data code", "zero size inline", "nothing inline", "size 0", "size 4"],
)
def test_table_that_the_terminal_calls_empty_is_empty(
    transport: FakeTransport, answer: list[Frame]
) -> None:
    transport.answers[CMD_PREPARE_BUFFER] = answer
    with ZKDevice(transport=transport) as device:
        assert list(device.attendance()) == []
        assert read_buffer(transport, 13, 0) == b""


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [Frame(CMD_ACK_OK, 1, 1)],
        [Frame(CMD_ACK_UNAUTH, 1, 1)],
        [Frame(CMD_ACK_OK, 1, 1, pack("<BIII", 0, 1 << 31, 0, 0))],
        [Frame(CMD_PREPARE_DATA, 1, 1, pack("<II", 100, 64)), Frame(CMD_ACK_OK, 1, 1)],
        [Frame(CMD_DATA, 0, 1, attlog(2)[:-3])],
    ],
    ids=["nothing", "no size", "no session", "2 GiB", "short transfer", "short table"],
)
def test_failed_read_is_never_empty(transport: FakeTransport, answer: list[Frame]) -> None:
    transport.answers[CMD_PREPARE_BUFFER] = answer
    with ZKDevice(transport=transport) as device, pytest.raises(ZKProtocolError):
        list(device.attendance())


def test_slice_that_is_short_is_an_error(transport: FakeTransport) -> None:
    transport.answers[CMD_READ_BUFFER] = [Frame(CMD_DATA, 0, 1, b"too short")]
    with ZKDevice(transport=transport) as device, pytest.raises(ZKProtocolError, match="9 bytes"):
        list(device.attendance())
    assert transport.sent.count((CMD_FREE_DATA, b"")) == 1


def test_iterator_given_up_early_frees_the_table(transport: FakeTransport) -> None:
    with ZKDevice(transport=transport) as device:
        punches = device.attendance()
        next(punches)
        punches.close()  # type: ignore[attr-defined]  # it is a generator
        assert (CMD_FREE_DATA, b"") in transport.sent
        assert len(device.users()) == 2


def test_log_read_on_after_another_table_is_an_error_and_no_wrong_record() -> None:
    fake = FakeTransport()
    fake.tables[13, 0] = attlog(5000)
    fake.tables[9, 5] = user_table("1")
    fake.counters = counters(users=1, punches=5000)
    with ZKDevice(transport=fake) as device:
        punches = device.attendance()
        next(punches)
        device.users()
        with pytest.raises(ZKProtocolError, match="another table"):
            list(punches)


@pytest.mark.parametrize("code", [CMD_ACK_NO_PHOTO, CMD_ACK_OK])
def test_user_without_portrait(transport: FakeTransport, code: int) -> None:
    transport.answers[CMD_USER_PHOTO] = [Frame(code, 1, 1)]
    with ZKDevice(transport=transport) as device:
        assert device.user_photo("7") is None


@pytest.mark.parametrize("code", [CMD_ACK_UNSUPPORTED, CMD_ACK_ERROR, 65535])
def test_terminal_without_portraits(transport: FakeTransport, code: int) -> None:
    transport.answers[CMD_USER_PHOTO] = [Frame(code, 1, 1)]
    with ZKDevice(transport=transport) as device, pytest.raises(ZKNotSupported) as caught:
        device.user_photo("7")
    assert caught.value.response_code == code


def test_terminal_without_faces(transport: FakeTransport) -> None:
    transport.options["FaceFunOn"] = "0"
    with ZKDevice(transport=transport) as device, pytest.raises(ZKNotSupported):
        device.face_templates()


def test_counters_that_are_too_short_are_unknown_and_the_tables_are_read_all_the_same(
    transport: FakeTransport,
) -> None:
    transport.counters = bytes(4)
    with ZKDevice(transport=transport) as device:
        info = device.device_info()
        assert (info.users_count, info.attendance_count, info.faces_count) == (None, None, None)
        assert len(list(device.attendance())) == 100
        assert len(device.users()) == 2


def test_missing_option_is_none(transport: FakeTransport) -> None:
    transport.options["Empty"] = ""
    with ZKDevice(transport=transport) as device:
        assert device.option("Missing") is None
        assert device.option("Empty") is None
        assert device.option("FirmVer") == "Ver 6.60"


def test_first_data_concatenates_one_command() -> None:
    frames = [
        Frame(CMD_DATA, 0, 1, b"a"),
        Frame(CMD_ACK_OK, 0, 1, b"x"),
        Frame(CMD_DATA, 1, 1, b"b"),
    ]
    assert first_data(frames, CMD_DATA) == b"ab"
    assert first_data(frames, 1) == b""


def test_write_option_writes_and_refreshes(transport: FakeTransport) -> None:
    with ZKDevice(transport=transport) as device:
        transport.sent.clear()
        device.session.write_option("SDKBuild", "1")
        assert transport.sent == [(CMD_OPTIONS_WRQ, b"SDKBuild=1\0"), (1013, b"")]


@pytest.mark.parametrize("command", [14, 15, 18, 31, 1002, 1003, 1004, 12])
def test_command_that_changes_something_is_never_sent(
    transport: FakeTransport, command: int
) -> None:
    with ZKDevice(transport=transport) as device:
        transport.sent.clear()
        with pytest.raises(ZKNotSupported):
            device.session.request(command)
        assert transport.sent == []
