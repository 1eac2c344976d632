"""Answers that no terminal should give: whatever is not understood does not stay."""

from struct import pack

import pytest

from tests.capture.crowd import SECRETS, found
from zkbridge.capture import anonymised
from zkbridge.capture.pseudonyms import Pseudonyms
from zkbridge.simulator import RecordedPacket
from zkbridge.zk.framing import build_packet, parse_packet
from zkbridge.zk.opcodes import (
    CMD_ACK_ERROR,
    CMD_ACK_OK,
    CMD_ACK_UNKNOWN,
    CMD_ATTLOG_RRQ,
    CMD_DATA,
    CMD_DB_RRQ,
    CMD_FREE_DATA,
    CMD_OPLOG_RRQ,
    CMD_OPTIONS_RRQ,
    CMD_OPTIONS_WRQ,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REG_EVENT,
    CMD_USER_PHOTO,
    CMD_USERTEMP_RRQ,
    FCT_FINGERTMP,
    FCT_USER,
    READ_COMMANDS,
)

EVERYTHING = b"\0".join(SECRETS)


def _asked(command: int, data: bytes = b"", number: int = 1) -> RecordedPacket:
    return RecordedPacket(">", build_packet(command, data, 7, number))


def _answered(command: int, data: bytes, number: int = 1, session: int = 7) -> RecordedPacket:
    return RecordedPacket("<", build_packet(command, data, session, number))


def _request(command: int, kind: int = 0) -> bytes:
    return pack("<bhii", 1, command, kind, 0)


@pytest.mark.parametrize(
    "code",
    [CMD_ACK_OK, CMD_DATA, CMD_PREPARE_DATA, CMD_ACK_ERROR, CMD_ACK_UNKNOWN, CMD_REG_EVENT],
)
@pytest.mark.parametrize("command", sorted({*READ_COMMANDS, CMD_OPTIONS_WRQ, 4711}))
@pytest.mark.parametrize("shift", [0, 5, 40])
def test_an_answer_full_of_secrets_tells_none(command: int, code: int, shift: int) -> None:
    data = bytes(shift) + EVERYTHING

    changed = anonymised([_asked(command), _answered(code, data), _answered(code, data, 2)])

    assert found(tuple(changed)) == []
    assert [len(parse_packet(one.packet).data) for one in changed] == [0, len(data), len(data)]


@pytest.mark.parametrize("command", sorted({*READ_COMMANDS, CMD_OPTIONS_WRQ, 4711}))
def test_a_request_full_of_secrets_tells_none(command: int) -> None:
    changed = anonymised([_asked(command, EVERYTHING), _asked(command, b"SDKBuild=" + EVERYTHING)])

    assert found(tuple(changed)) == []


@pytest.mark.parametrize(
    "table",
    [
        (CMD_USERTEMP_RRQ, FCT_USER),
        (CMD_ATTLOG_RRQ, 0),
        (CMD_OPLOG_RRQ, 0),
        (CMD_DB_RRQ, FCT_FINGERTMP),
        (4711, 3),
    ],
)
@pytest.mark.parametrize("shift", range(0, 16, 3))
def test_a_table_of_no_known_layout_tells_nothing(table: tuple[int, int], shift: int) -> None:
    records = bytes(shift) + EVERYTHING * 3
    blob = pack("<I", len(records)) + records

    changed = anonymised(
        [
            _asked(CMD_PREPARE_BUFFER, _request(*table)),
            _answered(CMD_DATA, blob),
        ]
    )

    assert len(parse_packet(changed[1].packet).data) == len(blob)
    assert found(tuple(changed)) == []


def test_a_late_chunk_of_people_is_not_taken_for_operations() -> None:
    chunk = pack("<ii", 0, 64)
    people = pack("<I", 60) + b"Ana Souza".ljust(60, b"\0")

    changed = anonymised(
        [
            _asked(CMD_PREPARE_BUFFER, _request(CMD_USERTEMP_RRQ, FCT_USER), 1),
            _answered(CMD_ACK_OK, bytes(13), 1),
            _asked(CMD_READ_BUFFER, chunk, 2),
            _asked(CMD_PREPARE_BUFFER, _request(CMD_OPLOG_RRQ), 3),
            _answered(CMD_ACK_OK, bytes(13), 3),
            _answered(CMD_DATA, people, 2),
            _asked(CMD_FREE_DATA, b"", 4),
            _answered(CMD_DATA, people, 4),
        ]
    )

    assert found(tuple(changed)) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"FirmVer=Ver 6.60 OZKT7319845502\0",
        b"FirmVer=Ver 6.60\0Ana Souza\0",
        b"Ana Souza=1\0",
        b"Ana Souza\0",
        b"~SerialNumber=OZKT7319845502\0OZKT7319845502",
    ],
)
def test_an_option_tells_neither_serial_nor_what_lies_behind_its_end(answer: bytes) -> None:
    changed = anonymised(
        [
            _asked(CMD_OPTIONS_RRQ, b"FirmVer\0", 1),
            _answered(CMD_ACK_OK, answer, 1),
            _asked(CMD_OPTIONS_RRQ, b"~SerialNumber\0", 2),
            _answered(CMD_ACK_OK, b"~SerialNumber=OZKT7319845502\0", 2),
        ]
    )

    assert found(tuple(changed)) == []


def test_a_portrait_is_asked_for_under_another_id() -> None:
    changed = anonymised(
        [_asked(CMD_USER_PHOTO, b"10023471.jpg\0"), _asked(CMD_USER_PHOTO, b"10023471")]
    )

    first, second = (parse_packet(one.packet).data for one in changed)
    assert first.endswith(b".jpg\0")
    assert b"10023471" not in first + second


def test_ids_stay_different_where_all_of_a_length_are_in_use() -> None:
    pseudonyms = Pseudonyms(1)
    ids = [b"%d" % number for number in range(1, 1000)] + [b"0%d" % n for n in range(1, 10)]

    invented = [pseudonyms.user_id(each) for each in ids]

    assert len(set(invented)) == len(ids)
    assert [len(each) for each in invented] == [len(each) for each in ids]


def test_a_short_name_gets_another() -> None:
    for seed in range(200):
        assert Pseudonyms(seed).text(b"A") != b"A"
