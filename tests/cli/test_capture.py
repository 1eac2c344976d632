"""capture: what a session looked like, with nobody in it; simulate --replay serves it."""

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.program import Program, asked, zkbridge
from zkbridge.capture import anonymised
from zkbridge.capture.pseudonyms import Pseudonyms
from zkbridge.simulator import SimulatedTerminal, read_recording
from zkbridge.simulator.faults import Doubled
from zkbridge.zk.framing import parse_packet
from zkbridge.zk.opcodes import CMD_AUTH, CMD_READ_BUFFER

PEOPLE = {
    "100234": "Ana Souza",
    "0042": "Zoë Świątek",
    "x-77": "Nguyễn Văn",
    "881199": "李小龍",
}
SECRETS = (
    *(text.encode() for text in (*PEOPLE, *PEOPLE.values(), "47114711", "SIM0000000001")),
    *(b"00:17:61:00:00:01", b"ridgesridges", b"featuresfeat", b"portrait"),
    (99887766).to_bytes(4, "little"),
    (881199).to_bytes(4, "little"),
    (100234).to_bytes(4, "little"),
)
START = datetime(2026, 1, 5, 8, 0)  # noqa: DTZ001 - a wall clock


@pytest.fixture(
    params=[(40, 72), (49, 72), (16, 28), (8, 28)], ids=lambda sizes: f"{sizes[0]}-{sizes[1]}"
)
def crowded(request: pytest.FixtureRequest) -> Iterator[SimulatedTerminal]:
    punch_size, user_size = request.param
    with SimulatedTerminal(
        timezone=UTC, punch_size=punch_size, user_size=user_size, comm_key=31337
    ) as made:
        for uid, (user_id, name) in enumerate(PEOPLE.items(), 1):
            if user_size == 28 and not user_id.isdigit():
                continue
            made.add_user(
                user_id,
                name,
                uid=uid,
                password="47114711"[: 8 if user_size == 72 else 5],
                card=99887766,
                templates={1: b"ridges" * 80},
                photo=b"\xff\xd8" + b"portrait" * 30,
                faces=(b"features" * 300,),
            )
        people = list(made.users)
        for minute in range(300):
            made.punch(people[minute % len(people)], 1, 0, START + timedelta(minutes=minute))
        made.operate(30, 1, (2, 0, 0, 0))
        yield made


def _captured(terminal: SimulatedTerminal, path: Path) -> None:
    result = asked("capture", terminal, "-o", str(path), "--comm-key", "31337")

    assert (result.code, result.out) == (0, "")
    requests = [parse_packet(one.packet) for one in read_recording(path).packets]
    assert [frame.data for frame in requests if frame.cmd == CMD_AUTH] == [bytes(4)]


def test_nobody_is_in_a_recording(crowded: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "one.zkrec"

    _captured(crowded, path)

    packets = read_recording(path).packets
    whole = b"\n".join(parse_packet(entry.packet).data for entry in packets)
    assert [secret for secret in SECRETS if secret in whole] == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_recording_is_a_terminal_of_the_same_structure(
    crowded: SimulatedTerminal, tmp_path: Path
) -> None:
    path = tmp_path / "one.zkrec"
    _captured(crowded, path)

    with Program("simulate", "--port", "0", "--replay", str(path)) as program:
        port = program.line().rpartition(":")[2]
        address = ["127.0.0.1", "--port", port, "--comm-key", "1", "--json"]
        users = json.loads(zkbridge("users", *address).out)
        punches = json.loads(zkbridge("punches", *address, "--timezone", "UTC").out)

    original = list(crowded.users.values())
    assert [user["uid"] for user in users] == [user.uid for user in original]
    assert len({user["user_id"] for user in users}) == len(users)
    assert len(punches) == 300
    ids = [user["user_id"] for user in users]
    assert [punch["user_id"] for punch in punches] == [ids[n % len(ids)] for n in range(300)]
    assert punches[1]["timestamp"] == "2026-01-05T08:01:00+00:00"


def test_terminal_is_left_as_it_was(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    assert asked("capture", terminal, "-o", str(tmp_path / "one")).code == 0

    assert terminal.written_options == []
    assert terminal.wait_for(lambda: terminal.connections == 0)


def test_what_fails_is_recorded_too(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    terminal.behave(refused_tables=frozenset({(9, 5), (7, 5)}))

    result = asked("capture", terminal, "-o", str(tmp_path / "one"))

    assert result.code == 0
    assert "users is not supported" in result.err
    assert "punches: recorded" in result.err


def test_datagrams_that_came_twice_betray_nobody(tmp_path: Path) -> None:
    with SimulatedTerminal(transport="udp") as terminal:
        for number in range(60):
            terminal.add_user(str(500100 + number), "Ana Souza", uid=number + 1)
        terminal.inject(Doubled(), CMD_READ_BUFFER)
        path = tmp_path / "one"

        result = asked("capture", terminal, "-o", str(path), "--transport", "udp")

    recording = read_recording(path)
    whole = b"\n".join(parse_packet(entry.packet).data for entry in recording.packets)
    assert result.code == 0
    assert recording.transport == "udp"
    assert b"Ana" not in whole
    assert b"5001" not in whole


def test_anonymising_keeps_every_length(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    path = tmp_path / "one"
    asked("capture", terminal, "-o", str(path))
    packets = read_recording(path).packets

    again = anonymised(packets)

    assert [len(entry.packet) for entry in again] == [len(entry.packet) for entry in packets]
    assert again != list(packets)


@pytest.mark.parametrize(
    "original", [b"Ana Souza", "Zoë Świątek".encode(), "李小龍".encode(), b"\xc0\xee\xd0", b""]
)
def test_invented_text_has_the_same_form(original: bytes) -> None:
    pseudonyms = Pseudonyms(1)

    invented = pseudonyms.text(original)

    assert len(invented) == len(original)
    assert pseudonyms.text(original) == invented
    assert not original or invented != original


def test_different_ids_stay_different() -> None:
    pseudonyms = Pseudonyms(1)
    originals = [b"%04d" % number for number in range(1, 900)]

    invented = [pseudonyms.user_id(each) for each in originals]

    assert len(set(invented)) == len(originals)
    assert [each[:1] == b"0" for each in invented] == [True] * len(originals)


def test_ids_as_text_and_as_numbers_agree() -> None:
    pseudonyms = Pseudonyms(1)

    assert int(pseudonyms.user_id(b"881199")) == pseudonyms.number(881199, 0xFFFFFFFF)
