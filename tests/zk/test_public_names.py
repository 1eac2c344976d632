"""The public surface: names and signatures that people outside rely on."""

import dataclasses
import inspect
from importlib import import_module

import pytest

from zkbridge import zk
from zkbridge.zk import errors, framing, models, session, transport
from zkbridge.zk.client import ZKDevice


def _signature(member: object) -> str:
    assert callable(member)
    return str(inspect.signature(member)).replace("datetime.datetime", "datetime")


def test_public_names_of_the_package() -> None:
    assert sorted(zk.__all__) == [
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
    assert all(hasattr(zk, name) for name in zk.__all__)


def test_constructor_of_the_device() -> None:
    assert str(inspect.signature(ZKDevice)) == (
        "(host: str = '', port: int = 4370, password: int = 0, timeout: float = 10.0, "
        "transport: zkbridge.zk.transport.Transport | None = None, *, "
        "kind: Literal['auto', 'tcp', 'udp'] = 'auto', encoding: str = 'utf-8', "
        "handshake: bool = True) -> None"
    )


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("option", "(self, name: str) -> str | None"),
        ("device_info", "(self) -> zkbridge.zk.models.DeviceInfo"),
        ("users", "(self) -> list[zkbridge.zk.models.User]"),
        ("attendance", "(self) -> collections.abc.Iterator[zkbridge.zk.models.Attendance]"),
        ("op_logs", "(self) -> collections.abc.Iterator[zkbridge.zk.models.OpLog]"),
        ("user_photo", "(self, user_id: str) -> bytes | None"),
        ("face_templates", "(self) -> list[zkbridge.zk.models.FaceTemplate]"),
        ("fingerprint_templates", "(self) -> list[zkbridge.zk.models.FingerTemplate]"),
        ("clock", "(self) -> datetime | None"),
        ("capacity", "(self) -> zkbridge.zk.models.Capacity"),
        ("open", "(self) -> None"),
        ("close", "(self) -> None"),
        ("abort", "(self) -> None"),
        ("register_events", "(self, mask: int = 65535) -> None"),
        (
            "next_event",
            (
                "(self, timeout_s: float, wake: int | None = None) -> "
                "zkbridge.zk.models.LiveEvent | None"
            ),
        ),
        ("acknowledge", "(self) -> None"),
        (
            "live_events",
            "(self, mask: int = 65535) -> collections.abc.Iterator[zkbridge.zk.models.LiveEvent]",
        ),
        (
            "read_log",
            (
                "(self, log: Literal['punches', 'operations'], "
                "cursor: zkbridge.zk.incremental.LogCursor | None = None, *, "
                "count: int | None = None, verify_whole: bool = False, key: str | None = None) -> "
                "zkbridge.zk.reading.LogRead"
            ),
        ),
    ],
)
def test_method_of_the_device(name: str, signature: str) -> None:
    assert _signature(getattr(ZKDevice, name)) == signature


@pytest.mark.parametrize(
    ("member", "signature"),
    [
        (
            transport.TcpTransport,
            (
                "(host: str, port: int = 4370, timeout: float = 10.0, password: int = 0, "
                "idle: float = 1.5) -> None"
            ),
        ),
        (
            transport.UdpTransport,
            (
                "(host: str, port: int = 4370, timeout: float = 10.0, password: int = 0, "
                "idle: float = 1.5) -> None"
            ),
        ),
        (
            transport.first_data,
            "(frames: list[zkbridge.zk.framing.Frame], want_cmd: int) -> bytes",
        ),
        (
            transport.read_buffer,
            (
                "(transport: zkbridge.zk.transport.Transport, command: int, fct: int, ext: int = 0)"
                " -> bytes"
            ),
        ),
        (
            transport.Transport.capture,
            "(self, command: int, data: bytes = b'') -> list[zkbridge.zk.framing.Frame]",
        ),
        (session.Session, "(transport: zkbridge.zk.transport.Transport) -> None"),
        (session.Session.open, "(self, *, handshake: bool = True) -> None"),
        (session.Session.close, "(self) -> None"),
        (session.Session.read_option, "(self, name: str) -> str | None"),
        (session.Session.write_option, "(self, name: str, value: str) -> None"),
        (session.Session.capabilities, "(self) -> dict[str, str]"),
        (framing.checksum, "(packet: bytes) -> int"),
        (framing.make_commkey, "(key: int, session_id: int, ticks: int = 50) -> bytes"),
        (
            framing.build_packet,
            "(command: int, data: bytes, session_id: int, reply_id: int) -> bytes",
        ),
        (framing.parse_frame, "(buf: bytes) -> tuple[zkbridge.zk.framing.Frame, bytes]"),
        (errors.ZKNotSupported, "(function: str, response_code: int) -> None"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_signature(member: object, signature: str) -> None:
    assert _signature(member) == signature


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (framing.Frame, "cmd session reply data"),
        (
            models.DeviceInfo,
            (
                "ip serial firmware platform users_count attendance_count faces_count "
                "fingers_count capabilities"
            ),
        ),
        (models.User, "uid user_id name privilege password group_id card"),
        (models.Attendance, "user_id timestamp status punch"),
        (models.OpLog, "op timestamp target_uid raw"),
        (models.FingerTemplate, "uid finger_index data"),
        (models.FaceTemplate, "uid data"),
        (models.UserPhoto, "user_id data"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_fields_of_the_reference_come_first_and_the_others_have_defaults(
    model: type, fields: str
) -> None:
    assert dataclasses.is_dataclass(model)
    own = dataclasses.fields(model)
    wanted = fields.split()
    assert [field.name for field in own][: len(wanted)] == wanted
    for field in own[len(wanted) :]:
        assert (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )


@pytest.mark.parametrize(
    "name", ["client", "session", "transport", "framing", "codecs", "models", "errors"]
)
def test_module_of_the_contract_exists(name: str) -> None:
    assert inspect.ismodule(import_module(f"zkbridge.zk.{name}"))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("CMD_ACK_OK", 2000),
        ("CMD_DATA", 1501),
        ("CMD_OPTIONS_RRQ", 11),
        ("CMD_PREPARE_BUFFER", 1503),
        ("CMD_READ_BUFFER", 1504),
        ("CMD_FREE_DATA", 1502),
        ("CMD_DB_RRQ", 7),
        ("CMD_GET_FREE_SIZES", 50),
        ("MAX_CHUNK", 0xFFC0),
    ],
)
def test_command_number_is_importable_from_transport(name: str, number: int) -> None:
    assert getattr(transport, name) == number


def test_errors_tell_by_type_what_to_do() -> None:
    for kind in (
        errors.ZKUnreachable,
        errors.ZKAuthFailed,
        errors.ZKProtocolError,
        errors.ZKNotSupported,
    ):
        assert issubclass(kind, errors.ZKError)
    assert issubclass(errors.ZKBusy, errors.ZKUnreachable)
    assert issubclass(errors.ZKNotATerminal, errors.ZKProtocolError)
    assert issubclass(errors.ZKEncrypted, errors.ZKNotSupported)
    error = errors.ZKNotSupported("user_photo", 4981)
    assert (error.function, error.response_code) == ("user_photo", 4981)


def test_secrets_are_in_no_repr() -> None:
    user = models.User(1, "7", "Ana", 0, "4711", "1", 3735928559)
    assert "4711" not in repr(user)
    assert "3735928559" not in repr(user)
    for holder in (
        models.FingerTemplate(1, 0, b"secret"),
        models.FaceTemplate(1, b"secret"),
        models.UserPhoto("7", b"secret"),
    ):
        assert "secret" not in repr(holder)
