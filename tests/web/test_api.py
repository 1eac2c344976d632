"""What the HTTP API answers."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.web.house import House, packed, punch, replaced
from zkbridge.events import Log, Mode, Trouble

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROME = timezone(timedelta(hours=1))


def ids(answer: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Who punched, in the order of the answer."""
    return [one["user_id"] for one in answer["punches"]]


def test_punch_has_the_fields_of_its_message(house: House) -> None:
    house.add([punch("0017", NOON.astimezone(ROME), name="Ana", code=1, verify=15)])

    answer = house.ask("/api/punches").json

    assert answer["next"] is None
    body = answer["punches"][0]
    assert body == {
        "id": body["id"],
        "event_type": "check_out",
        "user_id": "0017",
        "user_name": "Ana",
        "timestamp": "2026-03-02T13:00:00+01:00",
        "verified_by": "face",
        "verify_code": 15,
        "punch_code": 1,
        "terminal_id": "front_door",
        "terminal_name": "Front door",
        "serial": "AAA001",
        "source": "live",
        "seen_at": "2026-03-02T12:00:00.120Z",
        "seq": body["seq"],
        "delivered": None,
    }


def test_delivered_and_refused_punches_say_so(house: House) -> None:
    seqs = house.add([punch(str(number), NOON + timedelta(hours=number)) for number in range(3)])
    house.store.mark(delivered=[seqs[0]], refused=[seqs[1]])

    answer = house.ask("/api/punches").json

    assert [one["delivered"] for one in answer["punches"]] == [None, False, True]


def test_pages_follow_each_other_newest_first_without_gap_or_repeat(house: House) -> None:
    house.add([punch(str(number), NOON + timedelta(seconds=number)) for number in range(25)])

    seen: list[str] = []
    following = ""
    while True:
        answer = house.ask(f"/api/punches?limit=10{following}").json
        seen += ids(answer)
        if answer["next"] is None:
            break
        following = f"&before={answer['next']}"

    assert seen == [str(number) for number in range(24, -1, -1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("user=2", ["2"], id="user"),
        pytest.param("terminal=warehouse", ["3"], id="terminal"),
        pytest.param("terminal=nowhere", [], id="unknown terminal"),
        pytest.param("from=2026-03-03", ["3", "2"], id="from a day"),
        pytest.param("to=2026-03-02", ["1"], id="to the end of a day"),
        pytest.param("from=2026-03-03T13:00:00%2B01:00", ["3", "2"], id="from a moment"),
        pytest.param("from=2026-03-03T13:00:01+01:00", ["3"], id="plus sign not encoded"),
        pytest.param("from=2026-03-03&to=2026-03-03", ["2"], id="one day"),
    ],
)
def test_filters(house: House, query: str, expected: list[str]) -> None:
    day = timedelta(days=1)
    house.add([punch("1", NOON), punch("2", NOON + day)])
    house.add([punch("3", NOON + 2 * day, key="BBB002")], key="BBB002")

    assert ids(house.ask(f"/api/punches?{query}").json) == expected


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=%D9%A1",
        "from=yesterday",
        "to=2026-02-30",
        "before=x",
        "before=99999999999999999999",
        "format=xml",
        "user=" + "x" * 200,
        "from=0001-01-01T00:00:00%2B14:00",
    ],
)
def test_wrong_parameter_is_named(house: House, query: str) -> None:
    answer = house.ask(f"/api/punches?{query}")

    assert answer.status == 400
    assert answer.json["error"].startswith(query.partition("=")[0])


def test_csv_has_all_punches(house: House) -> None:
    house.add([punch(str(n), NOON + timedelta(seconds=n), name='Zoë, "Z"') for n in range(1500)])

    answer = house.ask("/api/punches?format=csv")

    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert answer.headers["content-disposition"] == 'attachment; filename="punches.csv"'
    assert [row["user_id"] for row in rows] == [str(n) for n in range(1499, -1, -1)]
    assert rows[0]["user_name"] == 'Zoë, "Z"'


def test_csv_obeys_filters_and_limit(house: House) -> None:
    house.add([punch(str(n), NOON + timedelta(seconds=n)) for n in range(5)])

    text = house.ask("/api/punches?format=csv&limit=2").body.decode("utf-8-sig")

    assert [row["user_id"] for row in csv.DictReader(io.StringIO(text))] == ["4", "3"]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx"])
def test_csv_cells_are_no_formulas(house: House, name: str) -> None:
    house.add([punch("1", NOON, name=name)])

    text = house.ask("/api/punches?format=csv").body.decode("utf-8-sig")

    assert next(csv.DictReader(io.StringIO(text)))["user_name"] == f"'{name}"


def test_json_file_has_all_punches(house: House) -> None:
    house.add([punch(str(n), NOON + timedelta(seconds=n)) for n in range(1200)])

    answer = house.ask("/api/punches?download=1")

    assert len(json.loads(answer.body)) == 1200
    assert answer.headers["content-disposition"] == 'attachment; filename="punches.json"'


def test_json_file_of_nothing_is_an_empty_list(house: House) -> None:
    assert house.ask("/api/punches?download=1").json == []


def test_hostile_name_is_given_as_it_is(house: House) -> None:
    name = "<script>alert(1)</script>\u202e\x07\ud800"
    house.add([punch("1", NOON, name=name.encode("utf-8", "replace").decode())])

    answer = house.ask("/api/punches")

    assert answer.headers["content-type"] == "application/json"
    assert answer.json["punches"][0]["user_name"].startswith("<script>alert(1)</script>\u202e\x07")


def test_punch_without_a_valid_date_is_shown_with_its_raw_time(house: House) -> None:
    broken = punch("1", NOON)
    number = house.numbers["AAA001"].terminal
    object.__setattr__(broken, "timestamp", None)
    object.__setattr__(broken, "occurred_at", None)
    house.add([broken])

    body = house.ask("/api/punches").json["punches"][0]

    assert (body["timestamp"], body["raw_time"]) == (None, packed(NOON))
    assert house.ask("/api/day").status == 200
    with house.store.transaction() as tx:
        assert tx.is_known(number, Log.PUNCHES, packed(NOON), "1", 0)


def test_day_tells_who_came_and_when(house: House) -> None:
    morning = datetime(2026, 3, 2, 8, 0, tzinfo=ROME)
    house.add(
        [
            punch("1", morning, name="Ana"),
            punch("2", morning + timedelta(minutes=5)),
            punch("1", morning + timedelta(hours=9), name="Ana", code=1),
            punch("1", morning + timedelta(days=1)),
        ]
    )

    day = house.ask("/api/day?date=2026-03-02").json

    assert (day["total"], day["people_total"]) == (3, 2)
    assert {hour: n for hour, n in enumerate(day["hours"]) if n} == {8: 2, 17: 1}
    first = day["people"][0]
    assert (first["user_id"], first["count"]) == ("1", 2)
    assert (first["first"], first["last"]) == (
        "2026-03-02T08:00:00+01:00",
        "2026-03-02T17:00:00+01:00",
    )
    assert [mark["event_type"] for mark in first["marks"]] == ["check_in", "check_out"]
    assert [one["user_id"] for one in day["latest"]] == ["1", "2", "1"]
    rows = {row["terminal_id"]: row for row in day["terminals"]}
    assert (rows["front_door"]["count"], rows["front_door"]["hours"][8]) == (3, 2)
    assert rows["front_door"]["last"] == "2026-03-02T17:00:00+01:00"
    assert rows["warehouse"]["count"] == 0


def test_day_belongs_to_the_terminals_clock(house: House) -> None:
    honolulu = timezone(timedelta(hours=-10))
    house.add([punch("1", datetime(2026, 3, 1, 23, 30, tzinfo=honolulu))])

    day = house.ask("/api/day?date=2026-03-01").json

    assert (day["total"], day["hours"][23], len(day["latest"])) == (1, 1, 1)
    assert house.ask("/api/day?date=2026-03-02").json["total"] == 0


def test_day_is_paged(house: House) -> None:
    house.add([punch(str(n), NOON + timedelta(seconds=n)) for n in range(5)])

    pages = [
        house.ask(f"/api/day?date=2026-03-02&limit=2&offset={offset}").json for offset in (0, 2, 4)
    ]

    assert [[person["user_id"] for person in page["people"]] for page in pages] == [
        ["4", "3"],
        ["2", "1"],
        ["0"],
    ]


def test_person_with_very_many_punches_keeps_the_first(house: House) -> None:
    house.add([punch("1", NOON.replace(hour=0) + timedelta(minutes=n)) for n in range(500)])

    person = house.ask("/api/day?date=2026-03-02").json["people"][0]

    assert (person["count"], person["first"]) == (500, "2026-03-02T00:00:00+00:00")
    assert person["last"] == person["marks"][-1]["timestamp"]
    assert len(person["marks"]) < 100


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", [0, 2, 1]), ("&user=1", [0, 1, 1]), ("&terminal=warehouse", [0, 0, 0])],
)
def test_days_are_counted(house: House, query: str, expected: list[int]) -> None:
    house.add([punch("1", NOON), punch("2", NOON), punch("1", NOON + timedelta(days=1))])

    days = house.ask(f"/api/days?from=2026-03-01&to=2026-03-03{query}").json["days"]

    assert [day["date"] for day in days] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert [day["punches"] for day in days] == expected


def test_days_of_a_very_long_range_are_its_last_year(house: House) -> None:
    days = house.ask("/api/days?from=0001-01-01&to=2026-03-03").json["days"]

    assert (len(days), days[-1]["date"]) == (367, "2026-03-03")


def test_terminals_tell_what_is_wrong_and_what_helps(house: House) -> None:
    house.set_view("BBB002", online=False, mode=Mode.OFFLINE, error=Trouble.AUTH_FAILED, users=3)

    terminals = {one["id"]: one for one in house.ask("/api/terminals").json["terminals"]}

    assert terminals["front_door"]["error"] is None
    wrong = terminals["warehouse"]
    assert (wrong["error"], wrong["online"], wrong["mode"]) == ("auth_failed", False, "offline")
    assert "comm key" in wrong["error_text"]
    assert "comm_key" in wrong["error_cure"]
    assert wrong["users"] == 3


def test_terminal_tells_when_its_log_will_be_full(house: House) -> None:
    house.now = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    house.add([punch(str(n), NOON + timedelta(seconds=n)) for n in range(10)])
    house.set_view("AAA001", punches=900, punches_capacity=1000)

    terminals = {one["id"]: one for one in house.ask("/api/terminals").json["terminals"]}

    assert terminals["front_door"]["log_full_on"] == date(2026, 3, 13).isoformat()
    assert terminals["warehouse"]["log_full_on"] is None


def test_overview_says_that_everything_works(house: House) -> None:
    overview = house.ask("/api/overview").json

    assert (overview["status"], overview["problems"]) == ("ok", [])
    assert overview["queue"] == {"depth": 0, "oldest": None}
    assert overview["terminals_online"] == 2


def test_overview_names_every_problem_with_its_cure(house: House) -> None:
    house.add([punch("1", NOON)])
    house.set_view("AAA001", error=Trouble.CLOCK_WRONG)
    replaced(house, broker_connected=False, broker_error="connection refused", refused=2)

    overview = house.ask("/api/overview").json

    severities = [problem["severity"] for problem in overview["problems"]]
    assert (overview["status"], severities) == ("error", ["error", "warning", "warning"])
    assert all(problem["cure"] for problem in overview["problems"])
    assert overview["queue"] == {"depth": 1, "oldest": "2026-03-02T12:00:00.120Z"}


def test_events_that_do_not_leave_are_a_problem(house: House) -> None:
    house.add([punch("1", NOON)])
    house.now = NOON + timedelta(minutes=5)
    assert house.ask("/api/overview").json["status"] == "ok"

    house.now = NOON + timedelta(minutes=11)

    overview = house.ask("/api/overview").json
    assert overview["status"] == "warning"
    assert "waiting since 2026-03-02T12:00:00.120Z" in overview["problems"][0]["text"]


def test_health_is_about_workers_alone(house: House) -> None:
    replaced(house, broker_connected=False, untried=("warehouse",))

    assert house.ask("/healthz").status == 200
    replaced(house, faults=("terminal-warehouse: no sign of life for 95 s",))
    answer = house.ask("/healthz")
    assert answer.status == 503
    assert answer.json["faults"] == ["terminal-warehouse: no sign of life for 95 s"]


@pytest.mark.parametrize(
    ("connected", "untried", "status"),
    [(True, (), 200), (False, (), 503), (True, ("warehouse",), 503)],
)
def test_readiness_is_about_broker_and_terminals(
    house: House, *, connected: bool, untried: tuple[str, ...], status: int
) -> None:
    replaced(house, broker_connected=connected, untried=untried)

    assert house.ask("/readyz").status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_else_can_be_done(house: House, method: str) -> None:
    assert house.ask("/api/punches", method).status in {403, 405}


@pytest.mark.parametrize(
    "path", ["/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static/", "/static/x.js"]
)
def test_no_other_file_is_served(house: House, path: str) -> None:
    assert house.ask(path).status == 404


def test_unchanged_file_is_not_sent_again(house: House) -> None:
    tag = house.ask("/static/main.js").headers["etag"]

    answer = house.ask("/static/main.js", headers={"If-None-Match": tag})

    assert (answer.status, answer.body) == (304, b"")
