"""The store with 1,000,000 delivered punches, and its commits beside bare SQLite's.

``python bench/store.py [ROWS]`` prints a table and writes its section of the results.
"""

import resource
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.results import write_section
from zkbridge.events import Freshness, Log, Punch, Source
from zkbridge.identity import punch_id
from zkbridge.store import KnownTerminal, Lane, ReadOnlyStore, Store
from zkbridge.store.housekeeping import Housekeeping

_TERMINALS = 20
_USERS = 500
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_FRESH = Freshness(age_s=0.0, seen_mono_s=1.0, process="bench")
_CHUNK = 5000


def _punch(number: int, step_s: float) -> Punch:
    at = _BEGIN + timedelta(seconds=int(number * step_s))
    user = str(1000 + number * 7919 % _USERS)
    raw_time = int(at.timestamp()) % (1 << 31)
    return Punch(
        id=punch_id(f"SERIAL{number % _TERMINALS}", user, raw_time, 0),
        event_type="check_in",
        user_id=user,
        user_name=f"Person {user}",
        raw_time=raw_time,
        timestamp=at.isoformat(),
        occurred_at=at,
        verified_by="fingerprint",
        verify_code=1,
        punch_code=0,
        source=Source.LIVE,
        seen_at=at,
    )


def _terminals(store: Store) -> list[KnownTerminal]:
    with store.transaction() as tx:
        return [
            tx.terminal(
                key=f"SERIAL{n}", id=f"door_{n}", name=f"Door {n}", serial=f"SERIAL{n}", mac=None,
                host=f"192.0.2.{n}", port=4370,
            )
            for n in range(_TERMINALS)
        ]  # fmt: skip


def _fill(path: Path, rows: int) -> float:
    step_s = 90 * 86400 / rows
    began = time.perf_counter()
    with Store(path) as store:
        terminals = _terminals(store)
        for first in range(0, rows, _CHUNK):
            with store.transaction() as tx:
                for number in range(first, min(rows, first + _CHUNK)):
                    event = _punch(number, step_s)
                    tx.add(
                        terminals[number % _TERMINALS].terminal,
                        event,
                        subject=event.user_id,
                        raw_time=event.raw_time,
                        confirmed=True,
                        freshness=_FRESH,
                    )
            store.mark(range(first + 1, first + _CHUNK + 1))
    return time.perf_counter() - began


def _milliseconds(action: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _first_poll(path: Path) -> float:
    began = time.perf_counter()
    store = Store(path)
    store.open()
    known = store.terminal_by_place("192.0.2.1", 4370)
    if known is None:
        raise SystemExit("the store lost its terminals")
    with store.transaction() as tx:
        tx.known_occurrences(known.terminal, Log.PUNCHES, 1, "1001")
        tx.move_cursor(known.terminal, Log.PUNCHES, "{}")
    store.pending_terminals()
    taken = time.perf_counter() - began
    store.close()
    return taken * 1000


def _questions(store: Store, rows: int) -> dict[str, Callable[[], object]]:
    middle = _BEGIN + timedelta(days=45)
    end = _BEGIN + timedelta(days=90)
    day = date(2026, 2, 14)
    deep = store.query(since=_BEGIN, until=middle, limit=1)[0].seq
    return {
        "page, newest": lambda: store.query(limit=100),
        "page, deep": lambda: store.query(before_seq=deep, limit=100),
        "page, range": lambda: store.query(since=middle, until=end, limit=100),
        "page, person": lambda: store.query(user_id="1001", limit=100),
        "page, terminal": lambda: store.query(terminal="door_3", limit=100),
        "page, nobody": lambda: store.query(user_id="nobody", terminal="door_3", limit=100),
        "everyone's day": lambda: store.user_days(day, day),
        "a person's 90 days": lambda: store.user_days(_BEGIN.date(), end.date(), user_id="1001"),
        "hours of a day": lambda: store.hour_counts(day, day),
        "days of 90 days": lambda: store.day_counts(_BEGIN.date(), end.date()),
        "last punches": store.last_punches,
        "since seq": lambda: store.after(rows - 100, 100),
        "queue": lambda: (store.queue_depth(), store.oldest_pending_age()),
    }


def _commits(path: Path, threads: int, each: int) -> dict[str, float]:
    """Return medians and rates of one-punch transactions, beside bare SQLite's."""
    with Store(path) as store:
        terminals = _terminals(store)
        waits: list[float] = []

        def write(worker: int) -> None:
            for n in range(each):
                event = _punch(n * threads + worker, 1)
                began = time.perf_counter()
                with store.transaction() as tx:
                    tx.add(
                        terminals[worker % _TERMINALS].terminal,
                        event,
                        subject=event.user_id,
                        raw_time=event.raw_time,
                        confirmed=True,
                        freshness=_FRESH,
                    )
                waits.append((time.perf_counter() - began) * 1000)

        syncs = store.syncs
        began = time.perf_counter()
        workers = [threading.Thread(target=write, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        taken = time.perf_counter() - began
        marked = time.perf_counter()
        taken_seqs = 0
        while items := store.pending(Lane.NORMAL, None, 0, 20):
            store.mark([item.seq for item in items])
            taken_seqs += len(items)
        marking = time.perf_counter() - marked
        waits.sort()
        return {
            "p50_ms": waits[len(waits) // 2],
            "p99_ms": waits[len(waits) * 99 // 100],
            "per_s": threads * each / taken,
            "per_sync": threads * each / (store.syncs - syncs),
            "drained_per_s": taken_seqs / marking,
        }


def _bare(path: Path, times: int) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
    result = _milliseconds(lambda: connection.execute("INSERT INTO t(b) VALUES('x')"), times)
    connection.close()
    return result


def main() -> None:
    """Measure everything once."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "bench.db"
        figures["bare SQLite commit, ms"] = _bare(Path(folder) / "bare.db", 200)
        for threads in (1, 20, 200):
            one = _commits(Path(folder) / f"commits{threads}.db", threads, 2000 // threads)
            figures |= {f"{threads} threads, {name}": value for name, value in one.items()}
        figures[f"fill {rows}, s"] = _fill(path, rows)
        figures["file, bytes per punch"] = path.stat().st_size / rows
        figures["open and first poll, ms"] = statistics.median(_first_poll(path) for _ in range(3))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Store(path) as store:
            for name, question in _questions(store, rows).items():
                figures[f"{name}, ms"] = _milliseconds(question)
            began = time.perf_counter()
            Housekeeping(store._database).check()  # noqa: SLF001 - what the upkeep's thread does
            figures["check after an unclean stop, beside the work, s"] = time.perf_counter() - began
        with ReadOnlyStore(path) as reader:
            began = time.perf_counter()
            count = sum(1 for _ in reader.stream())
            figures[f"export of {count}, s"] = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        figures["memory more after questions and export, KiB"] = after - before
        with Store(path) as store:
            began = time.perf_counter()
            erased = store.retention(timedelta(days=60), _BEGIN + timedelta(days=90))
            figures[f"retention of {erased}, s"] = time.perf_counter() - began
            began = time.perf_counter()
            forgotten = store.forget_user("1001").events
            figures[f"forgetting {forgotten} punches, ms"] = (time.perf_counter() - began) * 1000
    for name, value in figures.items():
        print(f"{name:50} {value:12.3f}")
    write_section("store", figures)


if __name__ == "__main__":
    main()
