"""Freshness, topics, payload bytes, suspects, grace, presence: no I/O."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.mqtt.rig import punch
from zkbridge.config import PeopleOptions
from zkbridge.events import Freshness
from zkbridge.mqtt.causes import connect_cause, loss_cause, refusal_cause
from zkbridge.mqtt.freshness import Clocks, is_fresh
from zkbridge.mqtt.grace import Grace
from zkbridge.mqtt.messages import json_bytes
from zkbridge.mqtt.suspects import Suspects
from zkbridge.mqtt.topics import Topics, user_level
from zkbridge.people import Privacy, Whereabouts, whereabouts

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def seen(age_s: float | None, *, ago_s: float = 0.0, process: str = "me") -> bool:
    """Decide about an event seen so long ago, by both clocks."""
    clocks = Clocks(mono_s=1000.0, process="me", now=NOW, newest_seen_at=NOW)
    freshness = Freshness(age_s=age_s, seen_mono_s=1000.0 - ago_s, process=process)
    return is_fresh(freshness, NOW - timedelta(seconds=ago_s), clocks, late_after_s=120.0)


@pytest.mark.parametrize(
    ("age_s", "ago_s", "expected"),
    [
        (0.0, 0.0, True),
        (0.0, 120.0, True),
        (0.0, 120.1, False),
        (-5.0, 0.0, True),
        (-5.1, 0.0, False),
        (-5.0, 120.0, True),
        (119.0, 0.0, True),
        (121.0, 0.0, False),
        (60.0, 61.0, False),
        (None, 0.0, False),
        (0.0, -1.0, False),
    ],
)
@pytest.mark.parametrize("process", ["me", "an earlier run"])
def test_fresh_or_late(age_s: float | None, ago_s: float, process: str, *, expected: bool) -> None:
    assert seen(age_s, ago_s=ago_s, process=process) is expected


def test_a_host_clock_behind_what_was_stored_makes_everything_late() -> None:
    clocks = Clocks(
        mono_s=5.0, process="me", now=NOW, newest_seen_at=NOW + timedelta(milliseconds=1)
    )
    earlier = Freshness(age_s=0.0, seen_mono_s=1.0, process="an earlier run")
    assert not is_fresh(earlier, NOW, clocks, late_after_s=120.0)
    own = replace(earlier, process="me")
    assert is_fresh(own, NOW, clocks, late_after_s=120.0)


@pytest.mark.parametrize(
    ("user_id", "level"),
    [
        ("7", "7"),
        ("A-b_9", "A-b_9"),
        ("", "x"),
        ("a+b", "x612b62"),
        ("é", "xc3a9"),
        ("\ud800", "xeda080"),
    ],
)
def test_user_ids_as_topic_levels(user_id: str, level: str) -> None:
    assert user_level(user_id) == level


def test_topics_of_another_base() -> None:
    topics = Topics("Site A/zk", "ha")
    assert topics.discovery("door") == "ha/device/site_a_zk_door/config"
    assert topics.command_target("Site A/zk/door/command") == "door"
    assert topics.command_target("Site A/zk/a/b/command") is None
    assert topics.command_target("zkbridge/door/command") is None
    assert topics.command_target("Site A/zk//command") is None


def test_payloads_are_utf8_and_survive_half_characters() -> None:
    assert json_bytes({"a": "é", "b": None}) == '{"a":"é","b":null}'.encode()
    assert json_bytes({"a": "x\ud83d"}) == '{"a":"x\ufffd"}'.encode()


def test_suspects_need_three_closures_alone() -> None:
    suspects = Suspects()
    assert suspects.closed([1, 2, 3], code=None, answered=True) is None
    alone = [suspects.alone]
    for _ in range(2):
        assert suspects.closed([1], code=None, answered=True) is None
    assert suspects.closed([1], code=None, answered=True) == 1
    for key in (2, 3):
        suspects.cleared(key)
    alone.append(suspects.alone)
    assert alone == [True, False]


def test_an_answer_ends_the_suspicion_of_a_message() -> None:
    suspects = Suspects()
    suspects.closed([1], code=None, answered=True)
    suspects.closed([1], code=None, answered=True)
    suspects.cleared(1)
    assert suspects.closed([1], code=None, answered=True) is None


def test_a_broker_that_never_answered_proves_nothing() -> None:
    suspects = Suspects()
    assert [suspects.closed([1], code=None, answered=False) for _ in range(5)] == [None] * 5


def test_grace() -> None:
    grace = Grace(90.0)
    grace.connected(0.0, again=True, rebooted=False)
    assert not grace.holding(1.0)
    assert not grace.said("offline", 10.0, retained=False)
    assert grace.holding(99.0)
    remembering = [grace.remembering]
    assert not grace.holding(100.0)
    remembering.append(grace.remembering)
    assert grace.said("online", 110.0, retained=False)
    remembering.append(grace.remembering)
    assert remembering == [True, True, False]
    grace.connected(200.0, again=True, rebooted=False)
    assert grace.holding(289.0)
    assert not grace.said("online", 210.0, retained=True)
    assert grace.holding(289.0)
    assert not grace.holding(290.0)


def test_no_grace_no_memory() -> None:
    grace = Grace(0.0)
    grace.said("offline", 0.0, retained=False)
    assert not grace.holding(0.0)
    assert not grace.remembering


@pytest.mark.parametrize(
    ("code", "where"),
    [(0, "home"), (3, "home"), (4, "home"), (1, "not_home"), (2, "not_home"), (5, "not_home")],
)
def test_punch_codes_mean_presence(code: int, where: str) -> None:
    assert whereabouts(code, "state") == Whereabouts(where)
    assert whereabouts(code, "in") is Whereabouts.HOME
    assert whereabouts(code, "out") is Whereabouts.NOT_HOME


def test_a_terminal_ahead_of_time_does_not_freeze_presence() -> None:
    privacy = Privacy(PeopleOptions(presence=True))
    ahead = punch(1, occurred_at=NOW + timedelta(days=400), seen_at=NOW)
    movement = privacy.movement(ahead, "state")
    assert movement is not None
    assert movement.at == NOW


def test_include_is_for_names_photos_presence_and_tags() -> None:
    privacy = Privacy(
        PeopleOptions(names=True, photos=True, presence=True, tags=True, include=("7",))
    )
    for question in (privacy.shows_name, privacy.shows_photo, privacy.tracks, privacy.scans_tag):
        assert question("7")
        assert not question("8")
        assert not question(None)
    assert privacy.public(punch(1, user_id="8")).user_name is None


def test_causes_are_one_line_with_a_cure() -> None:
    causes = [
        connect_cause(ConnectionRefusedError(111, "refused"), "h", 1883),
        connect_cause(TimeoutError(), "h", 1883),
        connect_cause(OSError(113, "No route to host"), "h", 1883),
        connect_cause(OSError("odd"), "h", 1883),
        refusal_cause(0x86, "Bad user name or password"),
        refusal_cause(0x99, "Odd"),
        loss_cause(None, ""),
        loss_cause(0x8E, "Session taken over"),
        loss_cause(0xA1, "Odd"),
    ]
    for cause in causes:
        assert "\n" not in cause.text
        assert cause.text
    assert len({cause.text for cause in causes}) == len(causes)
