"""Whom a terminal knows, for those who announce people."""

from zkbridge.polling.directory import Directory
from zkbridge.zk import User


def user(uid: int, user_id: str, name: str) -> User:
    return User(uid, user_id, name, 0, "", "", 0)


def test_nobody_is_known_before_the_table_was_read() -> None:
    directory = Directory(lambda _: True)
    assert directory.people() is None
    assert directory.update([], 0.0)
    assert directory.people() == {}


def test_names_only_of_those_whose_name_may_be_shown() -> None:
    directory = Directory(lambda user_id: user_id == "7")
    directory.update([user(1, "7", "Ada"), user(2, "8", "Grace"), user(3, "9", "9")], 0.0)
    assert directory.people() == {"7": "Ada", "8": None, "9": None}


def test_a_read_tells_whether_it_brought_news() -> None:
    directory = Directory(lambda _: True)
    table = [user(1, "7", "Ada")]
    assert directory.update(table, 0.0)
    assert not directory.update(table, 1.0)
    assert directory.update([user(1, "7", "Ada L.")], 2.0)
    assert directory.update([], 3.0)
