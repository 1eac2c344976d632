"""Log lines: for people, for programs, and harmless whatever is in them."""

import io
import json
import logging
import re

import pytest

from zkbridge import logs

LOGGER = logging.getLogger("zkbridge.polling.worker")


def test_text_is_one_line_with_its_moment() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)

    LOGGER.warning("terminal %s does not answer", "lobby")

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d WARNING polling\.worker:"
        r" terminal lobby does not answer\n",
        stream.getvalue(),
    )


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)

    LOGGER.info("caught up with %d punches", 3)

    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "zkbridge.polling.worker",
        "thread": "MainThread",
        "message": "caught up with 3 punches",
    }


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    "text",
    ["two\nlines", "\x1b[31mred", "\x9b2J", "bell\x07", "\u202eevil", "\u2028", "\r", "\ud800"],
    ids=ascii,
)
def test_hostile_text_makes_no_line_and_acts_nowhere(style: logs.Format, text: str) -> None:
    stream = io.StringIO()
    logs.configure("info", style, stream)

    LOGGER.info("name %s", text)

    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@pytest.mark.parametrize("style", ["text", "json"])
def test_hostile_exception_acts_nowhere(style: logs.Format) -> None:
    stream = io.StringIO()
    logs.configure("info", style, stream)

    try:
        raise ValueError("\x1b[2J\n2026-01-01 00:00:00 INFO forged")  # noqa: TRY301 - needs a traceback
    except ValueError:
        LOGGER.exception("broken")

    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert "forged" in stream.getvalue()


def test_harmless_text_stays_as_it_is() -> None:
    text = "Nguyễn Văn An · 李伟 · Олена · می‌خواهم\N{NO-BREAK SPACE}100\N{NO-BREAK SPACE}%"

    assert logs.printable(text) == text


def test_level_can_be_changed_meanwhile() -> None:
    stream = io.StringIO()
    logs.configure("warning", "text", stream)

    LOGGER.info("unheard")
    logs.set_level("debug")
    LOGGER.debug("heard")

    assert "unheard" not in stream.getvalue()
    assert "heard" in stream.getvalue()
    assert logs.current_level() == "debug"


@pytest.mark.parametrize("level", logs.LEVELS)
def test_level_in_force_is_told(level: logs.Level) -> None:
    logs.configure(level, "text", io.StringIO())

    assert logs.current_level() == level


def test_libraries_stay_quiet_below_warning() -> None:
    stream = io.StringIO()
    logs.configure("debug", "text", stream)

    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("somebody.else").warning("trouble")

    assert "chatter" not in stream.getvalue()
    assert "trouble" in stream.getvalue()


def test_configuring_again_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", "text", first)
    logs.configure("info", "text", second)

    LOGGER.info("once")

    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
