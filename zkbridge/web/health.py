"""What the page, ``/healthz`` and ``/readyz`` are told about the bridge. Values only."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the bridge is doing at this moment.

    Attributes:
        started_at: When this run of the bridge began, UTC.
        faults: One line for each worker without a recent heartbeat; empty: all alive.
        untried: Ids of terminals that were not tried yet in this run.
        broker: The broker as ``host:port``, never with a password.
        broker_connected: Whether the broker answers now.
        broker_error: Why not, in a line for people; None while connected or not tried yet.
        refused: Events that the broker refused for good.
        warnings: Further lines that people should read, such as a second bridge on the broker.
    """

    started_at: datetime
    faults: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    broker: str = ""
    broker_connected: bool = False
    broker_error: str | None = None
    refused: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether every worker makes progress; says nothing of broker or terminals."""
        return not self.faults

    @property
    def ready(self) -> bool:
        """Whether the broker is connected and every terminal was tried once."""
        return self.broker_connected and not self.untried
