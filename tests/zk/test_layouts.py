"""Which layout a table has: by size and counts, and only if its records make sense."""

from struct import pack

import pytest

from zkbridge.zk import ZKProtocolError
from zkbridge.zk.codecs import attlog_layout
from zkbridge.zk.layouts import attendance_layout, user_layout

TIME = 864287883  # 2026-11-22 07:58:03
YEAR = 2027


def text_records(count: int, size: int) -> bytes:
    """Records that start like the 40-byte form."""
    return b"".join(
        pack("<H24sBIB", index, b"%d" % (1000 + index), 1, TIME + index * 61, 0).ljust(size, b"\0")
        for index in range(count)
    )


def records_8(count: int) -> bytes:
    """Old records with the time behind."""
    return b"".join(pack("<HBBI", index + 1, 0x28, 0, TIME + index * 61) for index in range(count))


def records_8b(count: int) -> bytes:
    """Old records with the time in the middle."""
    return b"".join(pack("<HBIB", index + 1, 1, TIME + index * 61, 0) for index in range(count))


def records_16(count: int) -> bytes:
    """Records of black-and-white terminals."""
    return b"".join(
        pack("<IIBB2xI", 1000 + index, TIME + index * 61, 0, 1, 0) for index in range(count)
    )


@pytest.mark.parametrize("known", [True, False], ids=["counted", "uncounted"])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 40, 200])
@pytest.mark.parametrize("size", [40, 49])
def test_text_layouts(size: int, count: int, *, known: bool) -> None:
    records = text_records(count, size)
    layout = attendance_layout(records, len(records), count if known else None, YEAR)
    assert layout.size == size


@pytest.mark.parametrize("size", [41, 44, 52, 64])
def test_unknown_size_is_taken_when_the_counters_say_so(size: int) -> None:
    records = text_records(30, size)
    assert attendance_layout(records, len(records), 30, YEAR).name == f"attlog-{size}"
    assert attlog_layout(f"attlog-{size}") is not None


@pytest.mark.parametrize("count", [1, 2, 6, 7, 40])
def test_16_byte_layout(count: int) -> None:
    records = records_16(count)
    assert attendance_layout(records, len(records), count, YEAR).name == "attlog-16"


@pytest.mark.parametrize("count", [2, 5, 40])
def test_8_byte_layouts_are_told_apart_by_their_dates(count: int) -> None:
    old, other = records_8(count), records_8b(count)
    assert attendance_layout(old, len(old), count, YEAR).name == "attlog-8"
    assert attendance_layout(other, len(other), count, YEAR).name == "attlog-8b"


@pytest.mark.parametrize(("records", "count"), [(3, 2), (4, 2), (9, 6), (49, 40), (98, 80)])
def test_count_that_divides_by_accident_does_not_shift_records(records: int, count: int) -> None:
    table = text_records(records, 40)
    assert attendance_layout(table, len(table), count, YEAR).size == 40


@pytest.mark.parametrize("records", [2, 4, 40])
def test_count_of_half_the_records_does_not_join_them(records: int) -> None:
    for table, name in (
        (text_records(records, 40), "attlog-40"),
        (text_records(records, 49), "attlog-49"),
        (records_16(records), "attlog-16"),
        (records_8(records), "attlog-8"),
    ):
        assert attendance_layout(table, len(table), records // 2, YEAR).name == name


def test_some_impossible_dates_are_no_reason_to_refuse() -> None:
    records = text_records(9, 40) + pack("<H24sBIB8x", 9, b"9", 1, 840880800, 0)
    assert attendance_layout(records, len(records), 10, YEAR).size == 40


def test_clock_that_was_never_set_is_no_reason_to_refuse() -> None:
    records = b"".join(pack("<H24sBIB8x", i, b"%d" % i, 1, i * 60, 0) for i in range(1, 9))
    assert attendance_layout(records, len(records), 8, YEAR).size == 40


@pytest.mark.parametrize("count", [None, 0, 3, 30])
def test_noise_is_refused_and_shown(count: int | None) -> None:
    noise = bytes((index * 73 + 131) % 256 | 0x80 for index in range(1200))
    with pytest.raises(ZKProtocolError, match=r"1200 bytes of punches.*start with 83") as caught:
        attendance_layout(noise, len(noise), count, YEAR)
    assert str(count) in str(caught.value)


def users_72(count: int) -> bytes:
    """Users of colour terminals."""
    return b"".join(
        pack("<HB8s24sIB8x24s", uid, 0, b"", b"Name", 0, 1, b"%d" % uid)
        for uid in range(1, count + 1)
    )


def users_28(count: int) -> bytes:
    """Users of black-and-white terminals."""
    return b"".join(
        pack("<HB5s8sIxBHI", uid, 0, b"", b"Name", 0, 1, 0, uid) for uid in range(1, count + 1)
    )


def users_16(count: int) -> bytes:
    """Users of the oldest terminals."""
    return b"".join(pack("<HB5s8s", uid, 0, b"", b"Name") for uid in range(1, count + 1))


@pytest.mark.parametrize("count", [1, 7, 18, 63, 126])
@pytest.mark.parametrize("known", [True, False], ids=["counted", "uncounted"])
def test_user_layouts(count: int, *, known: bool) -> None:
    told = count if known else None
    assert user_layout(users_72(count), told).name == "user-72"
    assert user_layout(users_28(count), told).name == "user-28"


def test_oldest_users() -> None:
    assert user_layout(users_16(5), 5).name == "user-16"


def test_users_that_are_none_are_refused() -> None:
    with pytest.raises(ZKProtocolError, match="users"):
        user_layout(b"\xff" * 71, 1)
