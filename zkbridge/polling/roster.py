"""Which worker talks to which terminal: the only thing that workers share beside the store."""

import threading
from dataclasses import dataclass

from zkbridge.identity import normal_mac, normal_serial


@dataclass(frozen=True, slots=True)
class Claim:
    """The outcome of a claim.

    Attributes:
        shared_serial: Another terminal, with another MAC, tells the same serial.
        duplicate_of: Name of the configured terminal that is the very same one.
    """

    shared_serial: bool = False
    duplicate_of: str | None = None


class Roster:
    """Who claimed which serial; thread-safe.

    The first terminal with a serial keeps it for its records' ids; a second one with another
    MAC goes by its MAC, so that nothing already published changes its id.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, tuple[str | None, str | None]] = {}
        self._ids: dict[str, str] = {}

    def claim(self, name: str, serial: str | None, mac: str | None) -> Claim:
        """Say which terminal a worker found at its address.

        Args:
            name: Configured name, unique among workers.
            serial: As the terminal told it.
            mac: As the terminal told it.
        """
        mine = (normal_serial(serial), normal_mac(mac))
        with self._lock:
            self._claims.pop(name, None)
            same = {
                other: their_mac
                for other, (their_serial, their_mac) in self._claims.items()
                if mine[0] is not None and their_serial == mine[0]
            }
            twin = next(
                (other for other, their_mac in same.items() if None in {mine[1], their_mac}
                 or their_mac == mine[1]),
                None,
            )  # fmt: skip
            if twin is None and mine[0] is None and mine[1] is not None:
                twin = next(
                    (other for other, theirs in self._claims.items() if theirs == mine), None
                )
            if twin is not None:
                return Claim(duplicate_of=twin)
            self._claims[name] = mine
            return Claim(shared_serial=bool(same))

    def reserve(self, name: str, terminal_id: str) -> None:
        """Note the id that a configured terminal goes by as long as nothing else is known."""
        with self._lock:
            self._ids[name] = terminal_id

    def claim_id(self, name: str, wanted: str, default: str) -> str:
        """Return the id to go by: the wanted one, unless another terminal has it."""
        with self._lock:
            others = {theirs for other, theirs in self._ids.items() if other != name}
            self._ids[name] = default if wanted in others else wanted
            return self._ids[name]

    def leave(self, name: str) -> None:
        """The terminal is configured no more."""
        with self._lock:
            self._ids.pop(name, None)
            self._claims.pop(name, None)

    def release(self, name: str) -> None:
        """The worker no longer talks to its terminal."""
        with self._lock:
            self._claims.pop(name, None)
