"""Counters and histograms of the bridge, for Prometheus. The only user of prometheus_client.

Workers and the publisher hold a :class:`Metrics`, which counts nothing and costs nothing; where
the page is served, ``app`` gives them a :class:`CountingMetrics` instead, and only then is
prometheus_client imported. What is already known elsewhere (queue depth, states of terminals) is
no counter: it is read when somebody scrapes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

_LATENCY_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
)  # fmt: skip
_POLL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalReading:
    """What one terminal looks like at the moment of a scrape; None: not known.

    Attributes:
        clock_drift_s: Positive when the terminal is ahead.
        log_used: Per cent of the punch log's capacity.
    """

    terminal_id: str
    up: bool | None = None
    clock_drift_s: float | None = None
    log_used: float | None = None
    users: int | None = None
    punches: int | None = None
    undecodable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What the bridge looks like at the moment of a scrape; None: not known."""

    version: str
    queue_depth: int = 0
    oldest_undelivered_s: float | None = None
    broker_connected: bool | None = None
    refused: int | None = None
    terminals: tuple[TerminalReading, ...] = ()


class Metrics:
    """Counts nothing: what workers and the publisher hold where nobody asks.

    All methods may be called by any thread.
    """

    def punch_seen(self, terminal_id: str, source: str) -> None:
        """Count a punch that was not known before; source as in contract 4."""

    def published(self, terminal_id: str, *, fresh: bool, latency_s: float) -> None:
        """Count a punch that the broker acknowledged.

        Args:
            terminal_id: Where it happened.
            fresh: Sent to the fresh topic; else to the late one.
            latency_s: From when it was seen to the acknowledgement, in seconds.
        """

    def poll(self, terminal_id: str, *, duration_s: float, bytes_read: int) -> None:
        """Count a poll that came to its end."""

    def reconnect(self, terminal_id: str) -> None:
        """Count a connection that had to be opened again."""

    def error(self, terminal_id: str, kind: str) -> None:
        """Count an error; kind as in contract 4, terminal state."""


class CountingMetrics(Metrics):
    """Counts for Prometheus.

    Args:
        readings: Tells the gauges when somebody scrapes; any thread.
    """

    def __init__(self, readings: Callable[[], Readings] | None = None) -> None:
        # Imported here: it costs memory that a bridge without a page need not spend.
        from prometheus_client import (  # noqa: PLC0415 - see above
            CollectorRegistry,
            Counter,
            Histogram,
            ProcessCollector,
        )

        self._readings = readings
        self._registry = CollectorRegistry(auto_describe=False)
        self._seen = Counter(
            "zkbridge_punches_seen",
            "Punches not known before",
            ("terminal", "source"),
            registry=self._registry,
        )
        self._published = Counter(
            "zkbridge_punches_published",
            "Punches acknowledged by the broker, by topic",
            ("terminal", "topic"),
            registry=self._registry,
        )
        self._latency = Histogram(
            "zkbridge_publish_latency_seconds",
            "From seeing a fresh punch to the broker's acknowledgement",
            ("terminal",),
            buckets=_LATENCY_BUCKETS,
            registry=self._registry,
        )
        self._polls = Histogram(
            "zkbridge_poll_duration_seconds",
            "Duration of polls",
            ("terminal",),
            buckets=_POLL_BUCKETS,
            registry=self._registry,
        )
        self._bytes = Counter(
            "zkbridge_read_bytes",
            "Bytes read from terminals",
            ("terminal",),
            registry=self._registry,
        )
        self._reconnects = Counter(
            "zkbridge_reconnects",
            "Connections to terminals opened again",
            ("terminal",),
            registry=self._registry,
        )
        self._errors = Counter(
            "zkbridge_errors",
            "Errors of terminals by kind",
            ("terminal", "kind"),
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Gauges(self))

    def read_from(self, readings: Callable[[], Readings]) -> None:
        """Set where the gauges come from, for when the bridge is wired together."""
        self._readings = readings

    @property
    def readings(self) -> Readings | None:
        """The gauges now."""
        return self._readings() if self._readings else None

    def punch_seen(self, terminal_id: str, source: str) -> None:
        """See :meth:`Metrics.punch_seen`."""
        self._seen.labels(terminal_id, source).inc()

    def published(self, terminal_id: str, *, fresh: bool, latency_s: float) -> None:
        """See :meth:`Metrics.published`; late punches do not count as slow ones."""
        self._published.labels(terminal_id, "fresh" if fresh else "late").inc()
        if fresh:
            self._latency.labels(terminal_id).observe(latency_s)

    def poll(self, terminal_id: str, *, duration_s: float, bytes_read: int) -> None:
        """See :meth:`Metrics.poll`."""
        self._polls.labels(terminal_id).observe(duration_s)
        self._bytes.labels(terminal_id).inc(bytes_read)

    def reconnect(self, terminal_id: str) -> None:
        """See :meth:`Metrics.reconnect`."""
        self._reconnects.labels(terminal_id).inc()

    def error(self, terminal_id: str, kind: str) -> None:
        """See :meth:`Metrics.error`."""
        self._errors.labels(terminal_id, kind).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Render everything for a scraper.

        Args:
            accept: The request's ``Accept`` header; decides between the text formats.

        Returns:
            The document and its content type.
        """
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - as above

        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type


class _Gauges:
    """Reads the gauges at each scrape, as a collector of prometheus_client."""

    def __init__(self, metrics: CountingMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator["GaugeMetricFamily"]:
        """Yield one family for each gauge."""
        readings = self._metrics.readings
        if readings is None:
            return
        yield _gauge("info", "Always 1", [(readings.version, 1)], label="version")
        yield _gauge("queue_depth", "Events not yet delivered", [(None, readings.queue_depth)])
        yield _gauge(
            "oldest_undelivered_seconds",
            "Age of the oldest event not yet delivered; 0: none",
            [(None, readings.oldest_undelivered_s or 0.0)],
        )
        yield _gauge(
            "broker_connected", "Whether the broker answers", [(None, readings.broker_connected)]
        )
        yield _gauge("refused", "Events the broker refused for good", [(None, readings.refused)])
        terminals = readings.terminals
        for name, text, values in (
            ("terminal_up", "Whether the terminal answers", [t.up for t in terminals]),
            (
                "terminal_clock_drift_seconds",
                "Terminal's clock minus the host's",
                [t.clock_drift_s for t in terminals],
            ),
            (
                "terminal_log_used_ratio",
                "Used share of the punch log, 0 to 1",
                [None if t.log_used is None else t.log_used / 100 for t in terminals],
            ),
            ("terminal_users", "Users on the terminal", [t.users for t in terminals]),
            ("terminal_punches", "Punches in its log", [t.punches for t in terminals]),
            (
                "terminal_undecodable_records",
                "Records set aside because they fit no layout",
                [t.undecodable for t in terminals],
            ),
        ):
            ids = [t.terminal_id for t in terminals]
            yield _gauge(name, text, zip(ids, values, strict=True), label="terminal")


def _gauge(
    name: str,
    text: str,
    values: Iterable[tuple[str | None, float | None]],
    *,
    label: str | None = None,
) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

    family = GaugeMetricFamily(f"zkbridge_{name}", text, labels=[label] if label else None)
    for key, value in values:
        if value is not None:
            family.add_metric([] if key is None else [key], float(value))
    return family
