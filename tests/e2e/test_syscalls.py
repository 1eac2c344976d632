"""What the kernel is asked, and in which order: a record is on the disk before anybody hears."""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bridge import BridgeProcess, terminal_options
from tests.e2e.conftest import SERIAL
from tests.e2e.house import ids
from tests.e2e.test_path import wait_synced
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal

_CALLS = "pwrite64,fsync,fdatasync,sendto,sendmsg,recvfrom"
_PERSON = "4711007"
_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call; the places are those in the trace.

    Attributes:
        text: As strace prints it, descriptors with what they stand for.
    """

    name: str
    text: str
    begin: int
    end: int


def calls(trace: str) -> Iterator[Call]:
    """Put the calls of all threads together again."""
    unfinished: dict[str, tuple[int, str]] = {}
    for place, line in enumerate(trace.splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = match.groups()
        begin = place
        if text.endswith("<unfinished ...>"):
            unfinished[thread] = place, text.removesuffix("<unfinished ...>")
            continue
        resumed = _RESUMED.match(text)
        if resumed is not None and thread in unfinished:
            begin, head = unfinished.pop(thread)
            text = head + resumed.group(2)
        yield Call(text.partition("(")[0], text, begin, place)


def traced(strace: int) -> int:
    """Return the process that strace started."""
    return int(Path(f"/proc/{strace}/task/{strace}/children").read_text().split()[0])


@pytest.mark.parametrize("live", [True, False], ids=["live", "poll"])
def test_a_record_is_synced_before_it_is_published_or_acknowledged(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path,
    *, live: bool,
) -> None:  # fmt: skip
    options = terminal_options(terminal, live=live, poll_interval=60 if live else 1)
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, options)
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-qq", "-yy", "-s", "8192", "-e", f"trace={_CALLS}", "-e",
              "signal=none", "-o", str(trace))  # fmt: skip
    terminal.add_user(_PERSON, "Ada")
    bridge.start(prefix=strace)
    try:
        wait_synced(subscriber)
        moment = terminal.wall_clock()
        terminal.punch(_PERSON, when=moment)
        subscriber.wait_count("zkbridge/front_door/punch", 1)
        if live:
            terminal.wait_for(lambda: terminal.acknowledged >= 1)
        # strace itself takes no signal while it writes to a file.
        os.kill(traced(bridge.pid), signal.SIGTERM)
        bridge.wait()
    finally:
        bridge.kill()

    (event,) = ids(SERIAL, [(_PERSON, moment)])
    found = list(calls(trace.read_text()))
    published = min(
        call.begin for call in found
        if call.name in {"sendto", "sendmsg"} and f"->127.0.0.1:{broker.port}" in call.text
        and event in call.text
    )  # fmt: skip
    written = min(
        call.end for call in found
        if call.name == "pwrite64" and "zkbridge.db-wal>" in call.text and _PERSON in call.text
    )  # fmt: skip
    synced = min(
        call.end for call in found
        if call.name in {"fsync", "fdatasync"} and "zkbridge.db-wal>" in call.text
        and call.begin > written
    )  # fmt: skip
    assert written < synced < published
    if live:
        here = f"->127.0.0.1:{terminal.port}"
        told = min(
            call.end for call in found
            if call.name == "recvfrom" and here in call.text and _PERSON in call.text
            and call.end > written - 200 and call.begin < written
            and len(call.text) < 400
        )  # fmt: skip
        acknowledged = min(
            call.begin for call in found
            if call.name == "sendto" and here in call.text and call.begin > told
        )  # fmt: skip
        assert told < written < synced < acknowledged
