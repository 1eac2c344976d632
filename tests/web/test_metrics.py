"""Metrics, read by the official parser."""

import subprocess
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.web.house import STARTED, House, punch, replaced


def samples(house: House) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Everything that a scraper gets."""
    answer = house.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_counters_count(house: House) -> None:
    metrics = house.metrics
    metrics.punch_seen("front_door", "live")
    metrics.punch_seen("front_door", "live")
    metrics.published("front_door", fresh=True, latency_s=0.02)
    metrics.published("front_door", fresh=False, latency_s=7200.0)
    metrics.poll("front_door", duration_s=0.3, bytes_read=1234)
    metrics.reconnect("front_door")
    metrics.error("front_door", "unreachable")

    found = samples(house)

    here = ("terminal", "front_door")
    assert found["zkbridge_punches_seen_total", (("source", "live"), here)] == 2
    assert found["zkbridge_punches_published_total", (here, ("topic", "fresh"))] == 1
    assert found["zkbridge_punches_published_total", (here, ("topic", "late"))] == 1
    assert found["zkbridge_publish_latency_seconds_count", (here,)] == 1
    assert found["zkbridge_poll_duration_seconds_sum", (here,)] == 0.3
    assert found["zkbridge_read_bytes_total", (here,)] == 1234
    assert found["zkbridge_reconnects_total", (here,)] == 1
    assert found["zkbridge_errors_total", (("kind", "unreachable"), here)] == 1


def test_gauges_are_read_from_the_store(house: House) -> None:
    house.add([punch("1", STARTED)])
    house.set_view("AAA001", clock_drift=-2.5, log_used=61.2, users=7, undecodable=3)
    house.set_view("BBB002", online=False)
    replaced(house, broker_connected=False, refused=4)

    found = samples(house)

    here = (("terminal", "front_door"),)
    assert found["zkbridge_queue_depth", ()] == 1
    assert found["zkbridge_oldest_undelivered_seconds", ()] > 0
    assert found["zkbridge_broker_connected", ()] == 0
    assert found["zkbridge_refused", ()] == 4
    assert found["zkbridge_terminal_up", here] == 1
    assert found["zkbridge_terminal_up", (("terminal", "warehouse"),)] == 0
    assert found["zkbridge_terminal_clock_drift_seconds", here] == -2.5
    assert found["zkbridge_terminal_log_used_ratio", here] == 0.612
    assert found["zkbridge_terminal_users", here] == 7
    assert found["zkbridge_terminal_undecodable_records", here] == 3


def test_scraper_may_ask_for_openmetrics(house: House) -> None:
    answer = house.ask("/metrics", headers={"Accept": "application/openmetrics-text"})

    text = answer.body.decode()
    families = list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # theirs
    assert "zkbridge_queue_depth" in {family.name for family in families}


def test_bridge_without_a_page_never_loads_the_client_library() -> None:
    code = (
        "import sys; from zkbridge.metrics import Metrics; m = Metrics();"
        "m.punch_seen('a', 'live'); m.published('a', fresh=True, latency_s=1);"
        "m.poll('a', duration_s=1, bytes_read=1); m.reconnect('a'); m.error('a', 'busy');"
        "sys.exit('prometheus_client' in sys.modules)"
    )

    ended = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - ours

    assert ended.returncode == 0
