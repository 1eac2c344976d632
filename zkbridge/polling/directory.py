"""The people a terminal knows: names, internal indexes, and when to ask for them again. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from zkbridge.polling.schedule import USERS_EVERY_S
from zkbridge.zk import User

# A log may name anybody: what is remembered of strangers is bounded.
_MOST_STRANGERS: Final = 1000


class Directory:
    """What the user table said when it was last read.

    Args:
        shown: Whether a user's name may go out (privacy settings).
    """

    def __init__(self, shown: Callable[[str], bool]) -> None:
        self._shown = shown
        self._names: dict[str, str] = {}
        self._by_uid: dict[int, str] = {}
        self._ids: frozenset[str] = frozenset()
        self._strangers: set[str] = set()
        self._read_at_s: float | None = None
        self._count: int | None = None
        self._changed = False

    def update(self, users: Iterable[User], now_s: float, count: int | None = None) -> bool:
        """Replace everything by a freshly read table.

        Args:
            users: The whole table.
            now_s: Monotonic clock.
            count: Users as the terminal counts them; None: not asked this time.

        Returns:
            Whether :meth:`people` says something else than before.
        """
        before = self.people()
        names: dict[str, str] = {}
        by_uid: dict[int, str] = {}
        for user in users:
            by_uid[user.uid] = user.user_id
            # The reference's client puts the id where no name is stored; nobody is called that.
            if user.name and user.name != user.user_id and self._shown(user.user_id):
                names[user.user_id] = user.name
        # Whole tables are exchanged: other threads look into them.
        self._names, self._by_uid = names, by_uid
        ids = frozenset(by_uid.values())
        if ids != self._ids:
            self._strangers.clear()
        self._ids = ids
        self._read_at_s, self._changed = now_s, False
        self._count = self._count if count is None else count
        return self.people() != before

    def people(self) -> Mapping[str, str | None] | None:
        """Return everybody's name, where it may be shown, by user id; None before a first read."""
        if self._read_at_s is None:
            return None
        names = self._names
        return {user_id: names.get(user_id) for user_id in self._ids}

    def outdated(self, now_s: float, count: int | None) -> bool:
        """Tell whether the table has to be read again (contract 5.14)."""
        return (
            self._read_at_s is None
            or self._changed
            or (count is not None and count != self._count)
            or now_s - self._read_at_s >= USERS_EVERY_S
        )

    def changed(self) -> None:
        """The operation log shows that somebody was added, changed or removed."""
        self._changed = True

    def is_stranger(self, user_id: str) -> bool:
        """Tell whether a user is missing from the table and it was not re-read because of him."""
        return user_id not in self._ids and user_id not in self._strangers

    def accept_stranger(self, user_id: str) -> None:
        """Don't read the table again for this user until it changes."""
        if len(self._strangers) >= _MOST_STRANGERS:
            self._strangers.clear()
        self._strangers.add(user_id)

    def name(self, user_id: str) -> str | None:
        """Return a user's name; None when unknown or not to be shown."""
        return self._names.get(user_id)

    def user_id(self, uid: int) -> str:
        """Return the user id of an internal index; the number itself when it is unknown.

        Source: protocol.md 6.4.
        """
        return self._by_uid.get(uid, str(uid))

    def resolve(self, number: str) -> str:
        """Return the user id that a short live event means by a number (protocol.md 10.3)."""
        if number in self._ids or not number.isdigit():
            return number
        return self._by_uid.get(int(number), number)
