"""Home Assistant's absences: when fresh events wait for it (contract 5.8). Pure."""

from typing import Final

ONLINE: Final = "online"
OFFLINE: Final = "offline"


class Grace:
    """Whether fresh events are held, from what was seen on Home Assistant's status topic.

    Attributes:
        grace_s: How long events wait at most; 0 switches everything here off.
        status: Last one seen, also by earlier runs of the bridge; None: none ever.
    """

    def __init__(self, grace_s: float, status: str | None = None) -> None:
        self._held_until: float | None = None
        self.grace_s = grace_s
        self.status = status

    @property
    def held_until(self) -> float | None:
        """Monotonic time when waiting ends; None: nothing waits."""
        return self._held_until

    @property
    def remembering(self) -> bool:
        """Whether what is published now has to be published again later."""
        return self.grace_s > 0 and self.status == OFFLINE

    def holding(self, now_s: float) -> bool:
        """Tell whether fresh events wait."""
        if self._held_until is not None and now_s >= self._held_until:
            self._held_until = None
        return self._held_until is not None

    def connected(self, now_s: float, *, again: bool, rebooted: bool) -> None:
        """Note that the broker took us.

        Args:
            now_s: Monotonic clock.
            again: Not for the first time in this run.
            rebooted: The host was started since Home Assistant was last heard of.
        """
        absent = again or rebooted or self.status == OFFLINE
        if self.status is not None and absent:
            self._hold(now_s)

    def said(self, status: str, now_s: float, *, retained: bool) -> bool:
        """Note a message on the status topic.

        A retained ``online`` may stem from before a restart: it tells that there is a Home
        Assistant, not that it is listening.

        Returns:
            Whether Home Assistant was just born.
        """
        if status == OFFLINE:
            if self.status != OFFLINE:
                self._hold(now_s)
            self.status = OFFLINE
            return False
        if retained:
            self.status = self.status or ONLINE
            return False
        self.status = ONLINE
        self._held_until = None
        return True

    def _hold(self, now_s: float) -> None:
        if self.grace_s > 0:
            self._held_until = now_s + self.grace_s
