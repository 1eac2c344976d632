"""Live events of a simulated terminal."""

from datetime import datetime
from struct import pack

import pytest

from tests.simulator.raw import RawClient
from zkbridge.simulator import SimulatedTerminal

MOMENT = datetime.fromisoformat("2026-11-22T15:30:07")


def register(client: RawClient, mask: int = 0xFFFF) -> None:
    assert client.ask(500, pack("<I", mask)).cmd == 2000


@pytest.mark.parametrize("size", [10, 12, 14, 32, 36, 37, 52])
def test_punch_arrives_in_every_form(
    size: int, client: RawClient, terminal: SimulatedTerminal
) -> None:
    terminal.behave(event_size=size)
    register(client)

    terminal.punch("300", 15, 1, MOMENT)

    event = client.receive()
    assert (event.cmd, event.session, event.reply) == (500, 1, 0)
    assert len(event.data) == size
    assert bytes.fromhex("1a0b160f1e07") in event.data


def test_event_over_udp(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal, "udp") as client:
        client.connect()
        register(client)
        terminal.punch("1001")

        assert client.receive().cmd == 500


def test_only_registered_clients_hear_what_they_asked_for(terminal: SimulatedTerminal) -> None:
    with RawClient(terminal) as deaf, RawClient(terminal) as alarms, RawClient(terminal) as all_:
        for one in (deaf, alarms, all_):
            one.connect()
        register(alarms, 512)
        register(all_)

        terminal.punch("1001")
        sent = terminal.alarm(55)

        assert sent == 2
        assert alarms.receive().session == 512
        assert [all_.receive().session for _ in range(2)] == [1, 512]
        assert deaf.ask(201).cmd == 2000


def test_unregistering_ends_the_events(client: RawClient, terminal: SimulatedTerminal) -> None:
    register(client)
    register(client, 0)

    terminal.punch("1001")

    assert client.ask(201).cmd == 2000
    assert terminal.registered == 0


def test_disabled_terminal_sends_nothing(client: RawClient, terminal: SimulatedTerminal) -> None:
    register(client)
    client.ask(1003)

    assert terminal.alarm(55) == 0
    assert not terminal.enabled
    client.ask(1002)
    assert terminal.alarm(55) == 1


def test_model_that_sends_punches_only(client: RawClient, terminal: SimulatedTerminal) -> None:
    terminal.behave(event_mask=1)
    register(client)

    assert terminal.alarm(55) == 0
    assert terminal.verify(1) == 0
    terminal.punch("1001")
    assert client.receive().session == 1


@pytest.mark.parametrize(
    ("code", "uid", "data"),
    [
        (55, None, "37000000"),
        (53, None, "35000000"),
        (54, None, "3600000000000000"),
        (32, 13, "ffffffff20000d0001000000"),
    ],
)
def test_alarm_forms(
    code: int, uid: int | None, data: str, client: RawClient, terminal: SimulatedTerminal
) -> None:
    register(client)

    terminal.alarm(code, uid)

    assert client.receive().data.hex() == data


def test_verification_and_enrolment(client: RawClient, terminal: SimulatedTerminal) -> None:
    register(client)

    terminal.verify(13)
    terminal.verify(None)
    terminal.enroll_finger(0, 1282, "999111333", 7)
    terminal.enroll_finger(5)
    events = [client.receive() for _ in range(4)]

    assert [event.session for event in events] == [128, 128, 8, 8]
    assert [event.data.hex() for event in events] == [
        "0d00000001",
        "ffffffff01",
        "0000020539393931313133333307",
        "0500",
    ]


def test_acknowledgements_are_counted_and_not_answered(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    register(client)
    terminal.punch("1001")
    client.receive()

    client.send(2000, number=0)

    assert terminal.wait_for(lambda: terminal.acknowledged == 1)
    assert client.ask(201).cmd == 2000


def test_punch_may_be_live_only_or_logged_only(
    client: RawClient, terminal: SimulatedTerminal
) -> None:
    register(client)

    terminal.punch("1001", logged=False)
    terminal.punch("1001", live=False)

    assert client.receive().cmd == 500
    assert terminal.punch_count == 101
    assert client.ask(201).cmd == 2000


def test_events_may_go_to_one_client_only(terminal: SimulatedTerminal) -> None:
    terminal.behave(events_to_one=True)
    with RawClient(terminal) as first, RawClient(terminal) as second:
        for one in (first, second):
            one.connect()
            register(one)

        assert terminal.alarm(55) == 1
        assert second.receive().cmd == 500
        assert first.ask(201).cmd == 2000
