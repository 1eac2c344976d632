"""export and forget: the bridge's own store, without a running bridge."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.cli.program import Result, zkbridge
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.events import Freshness, Punch, Source
from zkbridge.store import Store

FIRST = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, broker: Mosquitto) -> Path:
    """A configuration and a store with four punches of two people at two terminals."""
    options = {
        "mqtt": {"host": "127.0.0.1", "port": broker.port},
        "store": {"path": str(tmp_path / "zkbridge.db")},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(options))
    with Store(tmp_path / "zkbridge.db") as store:
        with store.transaction() as tx:
            for number, place in enumerate(("front", "back")):
                known = tx.terminal(
                    key=f"SN{number}",
                    id=place,
                    name=place.title(),
                    serial=f"SN{number}",
                    mac=None,
                    host="h",
                    port=4370 + number,
                )
                for day, user in enumerate(("7", "0042")):
                    _add(tx, known.terminal, number * 2 + day, user, FIRST + timedelta(days=day))
        store.remember_topic(["zkbridge/people/0042/state"], user_id="0042")
        store.remember_topic(["zkbridge/people/7/state"], user_id="7")
    return tmp_path


def _add(tx: object, terminal: int, raw_time: int, user: str, when: datetime) -> None:
    punch = Punch(
        id=f"id{raw_time}",
        event_type="check_in",
        user_id=user,
        user_name="=cmd()" if user == "7" else "Ana",
        raw_time=raw_time,
        timestamp=when.isoformat(),
        occurred_at=when,
        verified_by="face",
        verify_code=15,
        punch_code=0,
        source=Source.POLL,
        seen_at=when,
    )
    tx.add(  # type: ignore[attr-defined]  # the store's transaction
        terminal,
        punch,
        subject=user,
        raw_time=raw_time,
        occurrence=0,
        confirmed=True,
        freshness=Freshness(age_s=None, seen_mono_s=0.0, process="test"),
    )


def _run(folder: Path, *arguments: str) -> Result:
    return zkbridge(*arguments, "-c", str(folder / "config.yaml"))


def test_export_is_csv_oldest_first(folder: Path) -> None:
    result = _run(folder, "export")

    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert (result.code, result.err) == (0, "")
    assert [(row["timestamp"], row["user_id"], row["terminal_id"]) for row in rows] == [
        ("2026-01-05T08:00:00+00:00", "7", "front"),
        ("2026-01-05T08:00:00+00:00", "7", "back"),
        ("2026-01-06T08:00:00+00:00", "0042", "front"),
        ("2026-01-06T08:00:00+00:00", "0042", "back"),
    ]
    assert rows[0]["user_name"] == "'=cmd()"


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--from", "2026-01-06T00:00:00+00:00"], ["id1", "id3"]),
        (["--to", "2026-01-06T00:00:00+00:00"], ["id0", "id2"]),
        (["--terminal", "back"], ["id2", "id3"]),
        (["--user", "0042", "--terminal", "front"], ["id1"]),
        (["--user", "nobody"], []),
    ],
)
def test_export_of_a_part(folder: Path, options: list[str], ids: list[str]) -> None:
    result = _run(folder, "export", "--format", "json", *options)

    assert [punch["id"] for punch in json.loads(result.out)] == ids


def test_export_into_a_file(folder: Path) -> None:
    path = folder / "out.json"

    result = _run(folder, "export", "--format", "json", "-o", str(path))

    assert result.out == ""
    assert len(json.loads(path.read_text())) == 4


def test_store_that_is_missing_is_one_line(folder: Path) -> None:
    (folder / "zkbridge.db").unlink()

    for command in (["export"], ["forget", "7"]):
        result = _run(folder, *command)

        assert result.code == 1
        assert result.err.count("\n") == 1
        assert "store.path" in result.err


def test_forgotten_person_is_nowhere(folder: Path, broker: Mosquitto) -> None:
    with Subscriber(broker.port) as subscriber:
        for user in ("7", "0042"):
            subscriber.publish(f"zkbridge/people/{user}/state", "home", retain=True)

        result = _run(folder, "forget", "0042")

        cleared = subscriber.wait_for(lambda seen: any(not record.payload for record in seen))
    assert result.code == 0
    assert "erased 2 events" in result.err
    assert [r.topic for r in cleared if not r.payload] == ["zkbridge/people/0042/state"]
    assert "0042" not in _run(folder, "export").out
    assert "7" in _run(folder, "export").out


def test_forgetting_without_a_broker_says_what_remains(folder: Path, broker: Mosquitto) -> None:
    broker.stop()

    result = _run(folder, "forget", "0042")

    assert result.code == 1
    assert "1 retained topics remain" in result.err
    assert "0042" not in _run(folder, "export").out
