"""Ids are for ever: pinned values, and what must and must not change them."""

from zkbridge.identity import (
    normal_mac,
    normal_serial,
    operation_id,
    punch_id,
    terminal_key,
    user_key,
)


def test_ids_are_pinned() -> None:
    assert punch_id("ABC123", "7", 864287883, 0) == PINNED_PUNCH
    assert operation_id("ABC123", bytes(range(16)), 0) == PINNED_OPERATION


PINNED_PUNCH = "114d70ea314e6b2c2695ac37"
PINNED_OPERATION = "80e3cd0b03d00c83e98cd6f0"


def test_every_part_of_a_punch_changes_its_id() -> None:
    ids = {
        punch_id("A", "7", 1, 0),
        punch_id("B", "7", 1, 0),
        punch_id("A", "07", 1, 0),
        punch_id("A", "uid:7", 1, 0),
        punch_id("A", "7", 2, 0),
        punch_id("A", "7", 1, 1),
        punch_id("A7", "", 1, 0),
    }
    assert len(ids) == 7


def test_the_padding_byte_of_an_operation_does_not_matter() -> None:
    record = bytes(16)
    padded = record[:3] + b"\x2a" + record[4:]
    assert operation_id("A", record, 0) == operation_id("A", padded, 0)
    assert operation_id("A", record, 0) != operation_id("A", record, 1)


def test_ids_take_text_that_is_no_unicode() -> None:
    assert punch_id("A", "\udcff", 1, 0) != punch_id("A", "\udcfe", 1, 0)


def test_a_terminal_goes_by_its_serial_else_its_mac_else_its_address() -> None:
    mac = "00:17:61:c8:ec:17"
    assert terminal_key("ABC1", mac, "h", 4370) == "ABC1"
    assert terminal_key("ABC1", mac, "h", 4370, shared_serial=True) == mac
    assert terminal_key("0000", mac, "h", 4370) == mac
    assert terminal_key(None, "ff:ff:ff:ff:ff:ff", "h", 4370) == "h:4370"
    assert terminal_key("", None, "h", 4370) == "h:4370"


def test_degenerate_identities_are_none() -> None:
    assert normal_serial("=ABC1=") == "ABC1"
    assert normal_serial(" ") is None
    assert normal_mac("00-17-61-C8-EC-17") == "00:17:61:c8:ec:17"
    assert normal_mac("00:00:00:00:00:00") is None
    assert normal_mac("nonsense") is None


def test_a_user_without_id_goes_by_the_index() -> None:
    assert user_key("007", 3) == "007"
    assert user_key(None, 3) == "uid:3"
