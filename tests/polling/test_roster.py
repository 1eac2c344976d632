"""Which worker may talk to which terminal, and by which id."""

from zkbridge.polling.roster import Claim, Roster

MAC_1, MAC_2 = "00:17:61:00:00:01", "00:17:61:00:00:02"


def test_one_terminal_under_two_names_is_a_duplicate() -> None:
    roster = Roster()
    assert roster.claim("a", "ABC1", MAC_1) == Claim()
    assert roster.claim("b", "ABC1", MAC_1) == Claim(duplicate_of="a")
    assert roster.claim("c", "ABC1", None) == Claim(duplicate_of="a")
    roster.release("a")
    assert roster.claim("b", "ABC1", MAC_1) == Claim()


def test_two_terminals_with_one_serial_are_told_apart_by_their_macs() -> None:
    roster = Roster()
    assert roster.claim("a", "ABC1", MAC_1) == Claim()
    assert roster.claim("b", "ABC1", MAC_2) == Claim(shared_serial=True)
    assert roster.claim("a", "ABC1", MAC_1) == Claim(shared_serial=True)


def test_without_a_serial_the_mac_decides_and_without_both_nothing_does() -> None:
    roster = Roster()
    assert roster.claim("a", "0000", MAC_1) == Claim()
    assert roster.claim("b", None, MAC_1) == Claim(duplicate_of="a")
    assert roster.claim("c", None, None) == Claim()
    assert roster.claim("d", None, None) == Claim()


def test_an_id_that_another_terminal_has_is_not_taken() -> None:
    roster = Roster()
    roster.reserve("a", "door")
    roster.reserve("b", "gate")
    assert roster.claim_id("b", "door", "gate") == "gate"
    roster.leave("a")
    assert roster.claim_id("b", "door", "gate") == "door"
