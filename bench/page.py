"""The page: what 50 of them cost a punch, and how fast they are over 1,000,000 punches.

``python bench/page.py [ROWS] [PUNCHES]`` prints a table and writes its section of the
results. Rounds with and without pages take turns, so that the machine's mood meets both.
"""

import http.client
import random
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.results import write_section
from tests.mosquitto import Mosquitto, Record, Subscriber
from tests.mqtt.rig import Site, make_publisher
from tests.mqtt.rig import punch as numbered_punch
from tests.web.house import LATE, House, punch

_PAGES = 50
_ROUNDS = 8
_DAYS = 365
_PEOPLE = 1000
_REPEATS = 7


def hold_pages(port: int, count: int) -> None:
    """Be so many pages until the standard input ends; in a process of its own."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        page = socket.create_connection(("127.0.0.1", port))
        page.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        selector.register(page, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    seen = set()
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.recv(1 << 16)
                seen.add(key.fd)
                if len(seen) == count:
                    sys.stdout.write("ready\n")
                    sys.stdout.flush()
                    seen.add(-1)


@contextmanager
def pages(port: int, count: int) -> Iterator[None]:
    """Have so many pages open."""
    if not count:
        yield
        return
    command = [sys.executable, __file__, "pages", str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101 - for the type checker
        process.stdout.readline()
        yield
        process.stdin.close()
        process.wait(10)


def fan_out(folder: Path, punches: int) -> dict[str, float]:
    """Time punches from their commit to a subscriber, with and without pages, in ms."""
    rounds: dict[int, list[list[float]]] = {0: [], _PAGES: []}
    arrived = threading.Event()
    taken: list[float] = []

    def on_record(record: Record) -> None:
        taken.append(record.arrived_s)
        arrived.set()

    chance = random.Random(1)  # noqa: S311 - pauses
    with Mosquitto(folder / "broker") as broker, House(folder / "house") as house:
        site = Site(house.store)
        site.terminal()
        publisher = make_publisher(house.store, broker.port)
        publisher.start()
        with Subscriber(broker.port, "zkbridge/door/punch", on_record=on_record):
            number = 0
            for turn in range(_ROUNDS * 2):
                count = _PAGES if turn % 2 else 0
                times: list[float] = []
                with pages(house.server.port, count):
                    for _ in range(punches // _ROUNDS):
                        number += 1
                        arrived.clear()
                        site.add(numbered_punch(number))
                        begin = time.monotonic()
                        arrived.wait(10)
                        times.append((taken[-1] - begin) * 1000)
                        time.sleep(chance.uniform(0.02, 0.1))
                rounds[count].append(times)
        publisher.stop()
        publisher.join(10)
    result: dict[str, float] = {}
    for count, taken_rounds in rounds.items():
        # The median over rounds: one disturbance from outside spoils one round only.
        for share in (50, 90, 99):
            cuts = [statistics.quantiles(one, n=100)[share - 1] for one in taken_rounds]
            result[f"p{share}_{count}_ms"] = statistics.median(cuts)
        print(
            f"{count:3} pages: "
            + ", ".join(
                f"p{share} {result[f'p{share}_{count}_ms']:.2f} ms" for share in (50, 90, 99)
            )
        )
    for share in (50, 90, 99):
        ratio = result[f"p{share}_{_PAGES}_ms"] / result[f"p{share}_0_ms"]
        result[f"p{share}_ratio"] = ratio
        print(f"p{share} ratio: {ratio:.3f}")
    return result


def fill(house: House, rows: int, now: datetime) -> None:
    """Store a year of punches, delivered."""
    number = house.numbers["AAA001"].terminal
    share = rows // _DAYS
    for back in range(_DAYS, 0, -1):
        morning = (now - timedelta(days=back)).replace(hour=6, minute=0, second=0, microsecond=0)
        with house.store.transaction() as tx:
            for one in range(share):
                at = morning + timedelta(seconds=one * 43200 // share)
                event = punch(str(one % _PEOPLE), at, name=f"Person {one % _PEOPLE}", code=one % 4)
                tx.add(
                    number, event, subject=event.user_id, raw_time=event.raw_time, confirmed=True,
                    freshness=LATE,
                )  # fmt: skip
        house.store.mark(
            delivered=[
                s.seq for s in house.store.after(max(0, house.store.last_seq() - share), share)
            ]
        )


def data(folder: Path, rows: int) -> dict[str, float]:
    """Time what the page asks for, in ms; a connection of its own each time, as a cold page."""
    now = datetime.now(UTC)
    yesterday, winter = (now - timedelta(days=1)).date(), (now - timedelta(days=200)).date()
    addresses = {
        "frame": "/",
        "overview": "/api/overview",
        "terminals": "/api/terminals",
        "day": f"/api/day?date={yesterday}",
        "day, more people": f"/api/day?date={yesterday}&offset=800&limit=200",
        "history": "/api/punches",
        "history, long ago": f"/api/punches?to={winter}",
        "history of a person": "/api/punches?user=17",
        "history of a terminal": "/api/punches?terminal=front_door",
        "history of nobody": "/api/punches?user=nobody",
        "history, largest page": "/api/punches?limit=1000",
        "days": "/api/days",
        "days, a year": f"/api/days?from={(now - timedelta(days=364)).date()}",
        "days, a year of a person": f"/api/days?from={(now - timedelta(days=364)).date()}&user=17",
        "metrics": "/metrics",
    }
    result = {}
    with House(folder / "house") as house:
        begin = time.perf_counter()
        fill(house, rows, now)
        print(f"{rows} punches stored in {time.perf_counter() - begin:.0f} s")
        for name, address in addresses.items():
            taken: list[float] = []
            status, size = 0, 0
            for _ in range(_REPEATS):
                begin = time.perf_counter()
                connection = http.client.HTTPConnection("127.0.0.1", house.server.port)
                connection.request("GET", address)
                answer = connection.getresponse()
                status, size = answer.status, len(answer.read())
                connection.close()
                taken.append((time.perf_counter() - begin) * 1000)
            print(
                f"{name:26} {status} {size:7} bytes, median "
                f"{statistics.median(taken):6.1f} ms, worst {max(taken):6.1f} ms"
            )
            result[name] = statistics.median(taken)
    return result


def main() -> None:
    """Run all, or be the pages."""
    if sys.argv[1:2] == ["pages"]:
        hold_pages(int(sys.argv[2]), int(sys.argv[3]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    punches = int(sys.argv[2]) if len(sys.argv) > 2 else 800  # noqa: PLR2004 - the second argument
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "latency").mkdir()
        (folder / "data").mkdir()
        figures = {"fan_out": fan_out(folder / "latency", punches)}
        figures["data_ms"] = data(folder / "data", rows)
    write_section("page", figures)


if __name__ == "__main__":
    main()
