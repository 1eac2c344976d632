"""info, users, punches, oplog, photo, templates: one terminal, no broker."""

import csv
import io
import json
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import HOSTILE
from tests.cli.program import ACTS, Program, asked, on_a_screen, zkbridge
from zkbridge.simulator import SimulatedTerminal, pack_impossible_time
from zkbridge.simulator.faults import Cut
from zkbridge.zk.opcodes import CMD_READ_BUFFER

PUNCHES = [
    {
        "timestamp": "2026-01-05T08:00:01+00:00",
        "user_id": "1",
        "event_type": "check_in",
        "verified_by": "fingerprint",
        "punch_code": 0,
        "verify_code": 1,
    },
    {
        "timestamp": "2026-01-06T17:30:00+00:00",
        "user_id": "0042",
        "event_type": "check_out",
        "verified_by": "face",
        "punch_code": 1,
        "verify_code": 15,
    },
    {
        "timestamp": "2026-01-07T12:00:00+00:00",
        "user_id": "x-7",
        "event_type": "punch",
        "verified_by": "code_200",
        "punch_code": 9,
        "verify_code": 200,
    },
]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_info_tells_what_the_terminal_is(terminal: SimulatedTerminal) -> None:
    result = asked("info", terminal, "--json", "--timezone", "UTC")

    facts = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert abs(facts.pop("clock_drift")) <= 2
    assert datetime.fromisoformat(facts.pop("clock")).utcoffset() is not None
    assert {key: value for key, value in facts.items() if value is not None} == {
        "serial": "SIM0000000001",
        "name": "Simulated",
        "platform": "ZMM220_TFT",
        "firmware": "Ver 6.60 Apr 28 2017",
        "mac": "00:17:61:00:00:01",
        "users": 3,
        "fingerprints": 0,
        "punches": 3,
        "op_log": 1,
        "admins": 1,
        "passwords": 1,
        "fingerprints_capacity": 3000,
        "users_capacity": 10000,
        "punches_capacity": 200000,
        "fingerprints_free": 3000,
        "users_free": 9997,
        "punches_free": 199997,
        "faces": 0,
        "faces_capacity": 1200,
    }


def test_info_is_readable(terminal: SimulatedTerminal) -> None:
    lines = asked("info", terminal).out.splitlines()

    assert lines[0].split() == ["Fact", "Value"]
    assert "serial                 SIM0000000001" in lines


def test_users_show_no_secret(terminal: SimulatedTerminal) -> None:
    for look in ([], ["--json"], ["--csv"]):
        result = asked("users", terminal, *look)

        assert result.code == 0
        assert "Ana Souza" in result.out
        assert "4711" not in result.out + result.err
        assert "99887766" not in result.out + result.err


def test_users_show_secrets_where_asked_for(terminal: SimulatedTerminal) -> None:
    result = asked("users", terminal, "--secrets", "--json")

    assert json.loads(result.out)[0] == {
        "uid": 1,
        "user_id": "1",
        "name": "Ana Souza",
        "role": "user",
        "group_id": "2",
        "enabled": True,
        "password": "4711",
        "card": 99887766,
    }


def test_file_with_secrets_is_private(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"

    asked("users", terminal, "--secrets", "--csv", "-o", str(path))

    assert "4711" in path.read_text()
    assert _mode(path) == 0o600


@pytest.mark.parametrize("look", [[], ["--json"], ["--csv"]], ids=["table", "json", "csv"])
def test_hostile_name_acts_nowhere(terminal: SimulatedTerminal, look: list[str]) -> None:
    result = asked("users", terminal, *look)

    assert result.code == 0
    assert not ACTS.search(result.out)
    assert "[red]" in result.out


def test_json_still_holds_the_hostile_name(terminal: SimulatedTerminal) -> None:
    users = json.loads(asked("users", terminal, "--json").out)

    assert [user["name"] for user in users] == ["Ana Souza", "=1+1", HOSTILE]


def test_csv_holds_no_formula(terminal: SimulatedTerminal) -> None:
    rows = list(csv.DictReader(io.StringIO(asked("users", terminal, "--csv").out)))

    assert rows[1]["name"] == "'=1+1"
    assert rows[1]["user_id"] == "0042"


def test_punches_are_told_in_the_words_of_the_topics(terminal: SimulatedTerminal) -> None:
    rows = json.loads(asked("punches", terminal, "--json", "--timezone", "UTC").out)

    assert [{key: row[key] for key in PUNCHES[0]} for row in rows] == PUNCHES


def test_punches_as_csv(terminal: SimulatedTerminal) -> None:
    result = asked("punches", terminal, "--csv", "--timezone", "UTC")

    assert list(csv.DictReader(io.StringIO(result.out))) == [
        {key: str(value) for key, value in punch.items()} for punch in PUNCHES
    ]


def test_punches_have_the_offset_of_the_zone(terminal: SimulatedTerminal) -> None:
    rows = json.loads(asked("punches", terminal, "--json", "--timezone", "Asia/Bangkok").out)

    assert rows[0]["timestamp"] == "2026-01-05T08:00:01+07:00"


@pytest.mark.parametrize(
    ("since", "users"),
    [("2026-01-06", ["0042", "x-7"]), ("2026-01-06T17:30:01", ["x-7"]), ("1d", [])],
)
def test_punches_since(terminal: SimulatedTerminal, since: str, users: list[str]) -> None:
    result = asked("punches", terminal, "--json", "--timezone", "UTC", "--since", since)

    assert [row["user_id"] for row in json.loads(result.out)] == users


def test_impossible_date_is_no_failure(terminal: SimulatedTerminal) -> None:
    terminal.punch("1", raw_time=pack_impossible_time(2026, 2, 31))

    rows = json.loads(asked("punches", terminal, "--json").out)

    assert rows[-1]["timestamp"] is None
    assert rows[-1]["raw_time"] == pack_impossible_time(2026, 2, 31)


def test_follow_prints_live_punches_until_ctrl_c(terminal: SimulatedTerminal) -> None:
    arguments = ["punches", terminal.host, "--port", str(terminal.port), "--follow", "--json"]
    with Program(*arguments) as program:
        assert terminal.wait_for(lambda: terminal.registered == 1)
        terminal.punch("0042", 1, 1)

        row = json.loads(program.line())
        ended = program.stop()

    assert (row["user_id"], row["event_type"]) == ("0042", "check_out")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert terminal.wait_for(lambda: terminal.connections == 0)


def test_follow_with_since_prints_the_log_first(terminal: SimulatedTerminal) -> None:
    address = [terminal.host, "--port", str(terminal.port), "--timezone", "UTC"]
    with Program("punches", *address, "--follow", "--since", "2026-01-06", "--csv") as program:
        lines = [program.line() for _ in range(3)]
        terminal.punch("1", 1, 0, datetime.now(UTC).replace(tzinfo=None))
        live = program.line()
        program.stop(signal.SIGTERM)

    assert [line.split(",")[1] for line in [*lines, live]] == ["user_id", "0042", "x-7", "1"]


def test_operations_are_told_in_the_words_of_the_topics(terminal: SimulatedTerminal) -> None:
    rows = json.loads(asked("oplog", terminal, "--json", "--timezone", "UTC").out)

    raw = rows[0].pop("raw")
    assert len(bytes.fromhex(raw)) == 16
    assert rows == [
        {
            "timestamp": "2026-01-04T09:00:00+00:00",
            "event_type": "user_enrolled",
            "op_code": 30,
            "admin_uid": 3,
            "params": [1, 0, 0, 0],
        }
    ]


def test_nothing_is_written_to_a_terminal_that_answers(terminal: SimulatedTerminal) -> None:
    for what in ("info", "users", "punches", "oplog"):
        assert asked(what, terminal).code == 0

    assert terminal.written_options == []


def test_handshake_is_made_where_needed_and_undone(terminal: SimulatedTerminal) -> None:
    terminal.behave(sdk_gated=True)

    result = asked("punches", terminal, "--json")

    assert len(json.loads(result.out)) == 3
    assert terminal.wait_for(lambda: terminal.option("SDKBuild") == "0")


def test_wrong_key_is_one_line_without_the_key(terminal: SimulatedTerminal) -> None:
    terminal.behave(comm_key=1234)

    result = asked("users", terminal, "--comm-key", "98765")

    assert (result.code, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert "--comm-key" in result.err
    assert "98765" not in result.err


def test_key_from_the_environment(terminal: SimulatedTerminal) -> None:
    terminal.behave(comm_key=1234)

    address = [terminal.host, "--port", str(terminal.port)]
    assert zkbridge("users", *address, env={"ZK_COMM_KEY": "1234"}).code == 0


def test_terminal_that_is_away_is_one_line(terminal: SimulatedTerminal) -> None:
    terminal.pause()

    result = asked("info", terminal, "--timeout", "1s")

    assert (result.code, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert "check that it is powered" in result.err


def test_failed_read_leaves_the_file_as_it_was(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "punches.csv"
    path.write_text("precious")
    terminal.load_raw_punches(terminal.punch_bytes * 5000)
    terminal.inject(Cut(100), CMD_READ_BUFFER, skip=1)

    result = asked("punches", terminal, "--csv", "-o", str(path))

    assert result.code == 1
    assert terminal.faults_hit == 1
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_file_appears_with_the_usual_rights(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "punches.json"

    result = asked("punches", terminal, "--json", "-o", str(path))

    assert result.out == ""
    assert len(json.loads(path.read_text())) == 3
    assert _mode(path) & 0o400


def test_folder_that_is_missing_is_one_line(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    result = asked("users", terminal, "-o", str(tmp_path / "no" / "users.csv"))

    assert result.code == 1
    assert result.err.count("\n") == 1
    assert str(tmp_path / "no") in result.err


def test_bar_is_for_screens_only(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "punches.csv"
    address = [terminal.host, "--port", str(terminal.port)]

    screen = on_a_screen("punches", *address, "--csv", "-o", str(path))
    pipe = asked("punches", terminal, "--csv", "-o", str(tmp_path / "other.csv"))

    assert "punches" in screen.out
    assert (pipe.code, pipe.out, pipe.err) == (0, "", "")


def test_photo_is_saved_privately(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    terminal.add_user("9", "Zoë", photo=b"\xff\xd8 portrait \xff\xd9")
    path = tmp_path / "zoe.jpg"

    result = zkbridge("photo", terminal.host, "9", "--port", str(terminal.port), "-o", str(path))

    assert (result.code, result.out, result.err) == (0, "", "")
    assert path.read_bytes() == b"\xff\xd8 portrait \xff\xd9"
    assert _mode(path) == 0o600


def test_missing_photo_is_one_line(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "none.jpg"

    result = zkbridge("photo", terminal.host, "1", "--port", str(terminal.port), "-o", str(path))

    assert result.code == 1
    assert result.err.count("\n") == 1
    assert not path.exists()


def test_templates_are_saved_privately(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    terminal.add_user("9", "Zoë", uid=77, templates={3: b"ridges" * 90}, faces=(b"features" * 300,))
    folder = tmp_path / "backup"

    result = asked("templates", terminal, "-o", str(folder))

    assert result.code == 0
    assert _mode(folder) == 0o700
    assert {path.name: _mode(path) for path in folder.iterdir()} == {
        "finger-77-3.bin": 0o600,
        "face-77.bin": 0o600,
        "templates.json": 0o600,
    }
    assert (folder / "finger-77-3.bin").read_bytes() == b"ridges" * 90
    assert json.loads((folder / "templates.json").read_text()) == [
        {"file": "finger-77-3.bin", "uid": 77, "user_id": "9"},
        {"file": "face-77.bin", "uid": 77, "user_id": "9"},
    ]
