"""The catalogue as a whole: what holds for every entity."""

import re
from typing import get_args

import pytest

from zkbridge.config import LogOptions
from zkbridge.events import Trouble
from zkbridge.homeassistant.entities import BRIDGE, LOG_LEVELS, TERMINAL
from zkbridge.homeassistant.model import Category, Entity
from zkbridge.troubles import TROUBLES

ALL = [pytest.param(entity, id=entity.key) for entity in (*TERMINAL, *BRIDGE)]


def test_keys_are_the_published_ones_for_ever() -> None:
    assert [entity.key for entity in TERMINAL] == [
        "punch",
        "late_punch",
        "operation",
        "alarm",
        "card",
        "check_in",
        "check_out",
        "break_out",
        "break_in",
        "overtime_in",
        "overtime_out",
        "other_punch",
        "online",
        "problem",
        "clock_drift",
        "firmware",
        "mode",
        "last_punch",
        "last_user",
        "punches_today",
        "users",
        "fingerprints",
        "faces",
        "punches",
        "log_used",
        "portrait",
        "poll",
        "replay_today",
    ]
    assert [entity.key for entity in BRIDGE] == ["connected", "queue", "version", "log_level"]


@pytest.mark.parametrize("entity", ALL)
def test_home_assistant_accepts_the_key_in_a_discovery_id(entity: Entity) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", entity.key)


@pytest.mark.parametrize("entity", ALL)
def test_sensors_are_never_in_the_category_that_home_assistant_refuses(entity: Entity) -> None:
    assert not (
        entity.platform in {"sensor", "binary_sensor"} and entity.category is Category.CONFIG
    )


def test_levels_offered_are_the_levels_of_the_configuration() -> None:
    assert get_args(LogOptions.model_fields["level"].annotation) == LOG_LEVELS


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_has_a_text_and_a_cure(trouble: Trouble) -> None:
    advice = TROUBLES[trouble]

    assert advice.text
    assert not advice.text.endswith(".")
    assert advice.cure.endswith(".")
