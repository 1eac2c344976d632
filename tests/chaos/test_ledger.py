"""The laboratory's own eyes: it must see what goes wrong."""

import json
import struct
from datetime import datetime, timedelta

import pytest

from tests.chaos.ledger import WINDOW, Ledger, Made, TerminalLog
from tests.chaos.proxy import Dialogue, Packets
from tests.mosquitto import Record

NOON = datetime(2026, 5, 5, 12)  # noqa: DTZ001 - a terminal's clock


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def log() -> TerminalLog:
    return TerminalLog("door", "SERIAL1")


def punched(ledger: Ledger, log: TerminalLog, count: int) -> list[Made]:
    made = [log.make("7", NOON + timedelta(seconds=n)) for n in range(count)]
    for one in made:
        ledger.punched(one)
    return made


def payload(made: Made, **changes: object) -> bytes:
    said = {
        "id": made.id,
        "user_id": made.user_id,
        "terminal_id": made.terminal,
        "timestamp": made.timestamp,
        "source": "poll",
    }
    return json.dumps(said | changes).encode()


def receive(ledger: Ledger, made: Made, **changes: object) -> None:
    record = Record("zkbridge/door/punch", payload(made, **changes), 1, False, None, 0.0)  # noqa: FBT003 - a field
    ledger.received(record)


def test_everything_in_order_is_fine(ledger: Ledger, log: TerminalLog) -> None:
    for made in punched(ledger, log, 3):
        ledger.sent(1, payload(made))
        ledger.acknowledged(made.id)
        receive(ledger, made)
    verdict = ledger.verdict([])
    assert verdict.fine
    assert (verdict.made, verdict.received, verdict.repeats) == (3, 3, 0)


def test_what_nobody_got_is_lost_unless_the_broker_had_it_or_the_terminal_dropped_it(
    ledger: Ledger, log: TerminalLog
) -> None:
    first, second, _ = punched(ledger, log, 3)
    log.drop(1)
    ledger.acknowledged(second.id)
    assert first.excused
    verdict = ledger.verdict([])
    assert not verdict.fine
    assert (len(verdict.lost), verdict.lost_by_broker, verdict.discarded) == (1, 1, 1)


def test_more_than_a_window_sent_again_is_seen(ledger: Ledger, log: TerminalLog) -> None:
    made = punched(ledger, log, WINDOW + 1)
    for connection, amount in ((1, WINDOW + 1), (2, WINDOW), (3, 1)):
        for one in made[:amount]:
            ledger.sent(connection, payload(one))
    for one in made:
        receive(ledger, one)
    assert ledger.verdict([]).fine
    ledger.sent(4, payload(made[WINDOW]))
    assert not ledger.verdict([]).fine


def test_a_poll_that_overtakes_is_out_of_order_and_a_live_punch_is_not(
    ledger: Ledger, log: TerminalLog
) -> None:
    first, second, third = punched(ledger, log, 3)
    receive(ledger, second, source="live")
    receive(ledger, first)
    assert not ledger.verdict([]).out_of_order
    other = TerminalLog("gate", "SERIAL2")
    early, late = punched(ledger, other, 2)
    receive(ledger, late)
    receive(ledger, early)
    receive(ledger, third)
    assert len(ledger.verdict([]).out_of_order) == 1


@pytest.mark.parametrize("change", [{"id": "another"}, {"user_id": "8"}, {"timestamp": None}])
def test_a_changed_punch_is_seen(
    ledger: Ledger, log: TerminalLog, change: dict[str, object]
) -> None:
    (made,) = punched(ledger, log, 1)
    receive(ledger, made, **change)
    assert ledger.verdict([]).changed


def test_the_proxy_reads_what_is_published_and_acknowledged(
    ledger: Ledger, log: TerminalLog
) -> None:
    (made,) = punched(ledger, log, 1)
    topic = b"zkbridge/door/punch"
    body = struct.pack(">H", len(topic)) + topic + b"\0\5" + b"\5\2\0\0\16\20" + payload(made)
    length = len(body)
    packet = bytes((0x32, length & 0x7F | 0x80, length >> 7)) + body
    dialogue, packets = Dialogue(1, ledger), Packets()
    for byte in packet[:-1]:
        assert not list(packets.feed(bytes([byte])))
    for whole in packets.feed(packet[-1:] + b"\xc0\0"):
        dialogue.upward(whole)
    assert ledger.counts == (1, 1, 0)
    assert not dialogue.downward(b"\x40\2\0\6")
    assert dialogue.downward(b"\x40\2\0\5")
    assert ledger.counts == (1, 1, 1)
    assert ledger.missing == 0
