"""The metrics, from what a scrape gives."""

from prometheus_client.parser import text_string_to_metric_families

from zkbridge.metrics import CountingMetrics, Readings, TerminalReading
from zkbridge_docs.tables import code, table


def exposition() -> str:
    """Return a scrape in which every metric appears."""
    reading = TerminalReading(
        terminal_id="front_door", up=True, clock_drift_s=0, log_used=1, users=1, punches=1
    )
    readings = Readings(
        version="1",
        oldest_undelivered_s=0,
        broker_connected=True,
        refused=0,
        terminals=(reading,),
    )
    metrics = CountingMetrics(lambda: readings)
    metrics.punch_seen("front_door", "live")
    metrics.published("front_door", fresh=True, latency_s=0)
    metrics.poll("front_door", duration_s=0, bytes_read=0)
    metrics.reconnect("front_door")
    metrics.error("front_door", "busy")
    return metrics.exposition()[0].decode()


def families() -> str:
    """List the bridge's own metrics."""
    rows = []
    for family in text_string_to_metric_families(exposition()):
        if not family.name.startswith("zkbridge_") or family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({key for sample in family.samples for key in sample.labels} - {"le"})
        shown = ", ".join(code(label) for label in labels)
        rows.append((code(name), family.type, shown, family.documentation))
    return table(("metric", "type", "labels", "meaning"), rows)
