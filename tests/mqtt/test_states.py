"""What a terminal's state says of its last person and of today."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.mosquitto import Mosquitto, Subscriber
from tests.mqtt.conftest import MakePublisher
from tests.mqtt.rig import PROCESS, STARTED, Site, alarm, make_publisher, punch, wait_until
from zkbridge.config import PeopleOptions
from zkbridge.events import Trouble
from zkbridge.mqtt.settings import Settings
from zkbridge.store import Store
from zkbridge.timezones import zone
from zkbridge.troubles import TROUBLES

STATE = "zkbridge/door/state"
TODAY = STARTED.replace(hour=0)


def settings(zone_name: str = "UTC", people: PeopleOptions | None = None) -> Settings:
    return Settings(
        directions={"door": "state", "gate": "state"},
        zones=dict.fromkeys(("door", "gate"), zone(zone_name)),
        people=people or PeopleOptions(),
    )


def at(moment: datetime) -> Callable[[], datetime]:
    """Return a clock that begins at that moment and runs."""
    offset = moment - datetime.now(UTC)
    return lambda: datetime.now(UTC) + offset


def shown(subscriber: Subscriber) -> dict[str, Any]:
    content = json.loads(subscriber.on(STATE)[-1].payload)
    assert isinstance(content, dict)
    return content


def wait_shown(subscriber: Subscriber, **expected: object) -> dict[str, Any]:
    subscriber.wait_for(
        lambda _: bool(subscriber.on(STATE)) and expected.items() <= shown(subscriber).items()
    )
    return shown(subscriber)


def punched(site: Site, number: int, **more: Any) -> None:  # noqa: ANN401 - as punch
    """Store a punch and the view that goes with it, as a worker does."""
    one = punch(number, **more)
    site.add(one)
    site.view(last_punch=one.timestamp)


def test_a_punch_shows_who_how_and_how_many(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view()
    start(settings(), clock=at(STARTED))
    first = wait_shown(subscriber, punches_today=0)

    punched(site, 5, user_id="7", user_name="Ada")

    told = wait_shown(subscriber, punches_today=1, last_user="Ada")
    assert (
        first
        | {
            "last_punch": (STARTED + timedelta(seconds=5)).isoformat(),
            "last_user": "Ada",
            "last_user_id": "7",
            "last_type": "check_in",
            "last_method": "fingerprint",
            "punches_today": 1,
        }
        == told
    )
    assert told["today_from"] == "2026-03-01T00:00:00+00:00"


def test_the_punch_goes_before_the_state_and_one_state_is_enough(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view()
    start(settings(), clock=at(STARTED))
    subscriber.wait_count("zkbridge/bridge/state", 1)
    wait_shown(subscriber, punches_today=0)
    subscriber.clear()

    punched(site, 5)

    wait_shown(subscriber, punches_today=1, last_user="Ada")
    topics = [
        record.topic for record in subscriber.records if record.topic.startswith("zkbridge/d")
    ]
    assert topics == ["zkbridge/door/punch", STATE]


def test_late_punches_count_for_their_own_day(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view()
    start(settings(), clock=at(STARTED))
    site.add(
        *[punch(n, occurred_at=STARTED - timedelta(days=1)) for n in range(10)],
        *[punch(n, occurred_at=STARTED - timedelta(hours=1)) for n in range(10, 13)],
        age_s=None,
    )
    wait_shown(subscriber, punches_today=3)


def test_other_events_and_other_terminals_make_no_state(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.terminal("gate", "SERIAL2")
    site.view()
    site.view("gate")
    start(settings(), clock=at(STARTED))
    subscriber.wait_count("zkbridge/gate/state", 1)
    wait_shown(subscriber, punches_today=0)
    subscriber.clear()

    site.add(alarm(1))
    site.add(punch(1, key="SERIAL2"), terminal_id="gate")

    subscriber.wait_count("zkbridge/gate/state", 1)
    wait_until(lambda: store.queue_depth() == 0)
    assert subscriber.on(STATE) == []


def test_the_count_goes_on_after_a_restart(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    publisher = start(settings(), clock=at(STARTED))
    punched(site, 1)
    punched(site, 2)
    wait_shown(subscriber, punches_today=2)
    publisher.stop()
    assert publisher.join(5)
    punched(site, 3, user_id="8", user_name=None)
    subscriber.clear()

    start(settings(), clock=at(STARTED))

    wait_shown(subscriber, punches_today=3, last_user="8", last_user_id="8")


def test_at_midnight_of_the_terminals_zone_the_count_is_zero(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    # 29 March 2026 has 23 hours in Amsterdam; its midnight is 23:00 UTC of the day before.
    midnight = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    wall = (midnight - timedelta(seconds=10)).astimezone(zone("Europe/Amsterdam"))
    one = punch(1, occurred_at=wall)
    site.add(one)
    site.view(last_punch=one.timestamp)
    publisher = start(settings("Europe/Amsterdam"), clock=at(midnight - timedelta(seconds=3)))
    wait_shown(subscriber, punches_today=1, today_from="2026-03-28T00:00:00+01:00")
    due = publisher._announcer.due
    assert due is not None

    told = wait_shown(subscriber, punches_today=0, today_from="2026-03-29T00:00:00+01:00")

    assert told["last_user"] == "Ada"
    following = publisher._announcer._recent.midnight_in_s()
    assert following is not None
    assert 22 * 3600 < following <= 23 * 3600


def test_a_clock_that_is_set_forward_brings_the_new_day(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    now = [STARTED]
    site.add(punch(1))
    site.view()
    publisher = start(settings(), clock=lambda: now[0])
    wait_shown(subscriber, punches_today=1)

    now[0] += timedelta(days=3)
    publisher.touch()

    wait_shown(subscriber, punches_today=0, today_from="2026-03-04T00:00:00+00:00")


def test_without_names_it_is_the_id(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    punched(site, 1, user_id="7", user_name="Ada")
    publisher = start(settings(), clock=at(STARTED))
    wait_shown(subscriber, last_user="Ada")

    publisher.configure(settings(people=PeopleOptions(names=False)))
    wait_shown(subscriber, last_user="7")
    publisher.configure(settings(people=PeopleOptions(include=("8",))))
    wait_shown(subscriber, last_user="7")
    publisher.configure(settings(people=PeopleOptions(include=("7",))))
    wait_shown(subscriber, last_user="Ada")


def test_a_forgotten_person_is_not_shown_any_more_nor_anybody_instead(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    punched(site, 1, user_id="8", user_name="Grace")
    punched(site, 2, user_id="7", user_name="Ada")
    start(settings(), clock=at(STARTED))
    wait_shown(subscriber, last_user="Ada", punches_today=2)
    wait_until(lambda: store.queue_depth() == 0)

    store.forget_user("7")

    told = wait_shown(subscriber, last_user=None, punches_today=1)
    assert (told["last_user_id"], told["last_type"], told["last_method"]) == (None, None, None)


def test_a_trouble_is_said_in_words(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view(online=False, error=Trouble.AUTH_FAILED)
    start(settings(), clock=at(STARTED))
    told = wait_shown(subscriber, error="auth_failed")
    advice = TROUBLES[Trouble.AUTH_FAILED]
    assert (told["error_text"], told["error_cure"]) == (advice.text, advice.cure)


def test_a_publisher_that_ended_hears_nothing_more(
    site: Site, store: Store, broker: Mosquitto, tmp_path: Path
) -> None:
    publisher = make_publisher(store, broker.port, process=PROCESS)
    publisher.start()
    wait_until(lambda: publisher._ready)
    publisher.stop()
    assert publisher.join(5)
    publisher._news = False

    site.add(punch(1))

    assert not publisher._news
