"""Names, strangers, and when the user table is read again."""

from zkbridge.polling.directory import Directory
from zkbridge.zk import User


def user(uid: int, user_id: str, name: str = "") -> User:
    return User(uid, user_id, name or user_id, 0, "", "1", 0)


def test_names_are_those_of_the_table_where_they_may_be_shown() -> None:
    directory = Directory(lambda user_id: user_id != "8")
    directory.update([user(1, "7", "Ada"), user(2, "8", "Grace"), user(3, "9")], 0.0, 3)
    assert [directory.name(each) for each in ("7", "8", "9", "10")] == ["Ada", None, None, None]
    assert directory.user_id(2) == "8"
    assert directory.user_id(77) == "77"


def test_a_stranger_is_asked_about_once_until_the_table_changes() -> None:
    directory = Directory(lambda _: True)
    directory.update([user(1, "7")], 0.0, 1)
    for stranger in ("a", "b"):
        assert directory.is_stranger(stranger)
        directory.update([user(1, "7")], 1.0)
        directory.accept_stranger(stranger)
    assert not directory.is_stranger("a")
    assert not directory.is_stranger("b")
    directory.update([user(1, "7"), user(2, "8")], 2.0, 2)
    assert directory.is_stranger("a")


def test_the_table_is_read_again_when_told_when_counts_move_and_after_six_hours() -> None:
    directory = Directory(lambda _: True)
    assert directory.outdated(0.0, 1)
    directory.update([user(1, "7")], 0.0, 1)
    assert not directory.outdated(100.0, 1)
    assert not directory.outdated(100.0, None)
    assert directory.outdated(100.0, 2)
    assert directory.outdated(6 * 3600.0, 1)
    directory.changed()
    assert directory.outdated(100.0, 1)
