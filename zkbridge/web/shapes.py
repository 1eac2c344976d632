"""What the HTTP API says, made of what the bridge knows. Pure; the shapes are a promise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Final

from zkbridge.events import Punch, TerminalView
from zkbridge.store import Delivery, StoredEvent
from zkbridge.troubles import advice
from zkbridge.web.health import Health

# Spreadsheets take a cell that starts like this for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CSV_COLUMNS: Final = (
    "id",
    "event_type",
    "user_id",
    "user_name",
    "timestamp",
    "verified_by",
    "verify_code",
    "punch_code",
    "terminal_id",
    "terminal_name",
    "serial",
    "source",
    "seen_at",
)


def iso(moment: datetime) -> str:
    """Return a moment as the API says it: UTC, whole seconds or milliseconds."""
    exact = moment.astimezone(UTC)
    precision = "milliseconds" if exact.microsecond else "seconds"
    return exact.isoformat(timespec=precision).replace("+00:00", "Z")


def punch_json(stored: StoredEvent) -> dict[str, object]:
    """Return one punch: the fields of its MQTT message, then ``seq`` and ``delivered``.

    ``delivered`` is null while it waits for the broker, and false where the broker refused it.
    """
    punch = stored.event
    if not isinstance(punch, Punch):
        raise TypeError("only punches are asked for")
    body: dict[str, object] = {
        "id": punch.id,
        "event_type": punch.event_type,
        "user_id": punch.user_id,
        "user_name": punch.user_name,
        "timestamp": punch.timestamp,
        "verified_by": punch.verified_by,
        "verify_code": punch.verify_code,
        "punch_code": punch.punch_code,
        "terminal_id": stored.terminal.id,
        "terminal_name": stored.terminal.name,
        "serial": stored.terminal.serial,
        "source": punch.source.value,
        "seen_at": iso(punch.seen_at),
        "seq": stored.seq,
        "delivered": _DELIVERED[stored.delivery],
    }
    if punch.timestamp is None:
        body["raw_time"] = punch.raw_time
    return body


_DELIVERED: Final[Mapping[Delivery, bool | None]] = {
    Delivery.PENDING: None,
    Delivery.DELIVERED: True,
    Delivery.REFUSED: False,
    Delivery.DROPPED: False,
}


def csv_row(body: Mapping[str, object]) -> list[str]:
    """Return a punch's cells; none of them is taken for a formula by a spreadsheet."""
    return [_cell(body[column]) for column in CSV_COLUMNS]


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def terminal_json(view: TerminalView, full_on: date | None) -> dict[str, object]:
    """Return one terminal: its state's fields, who it is, what is wrong and what to do."""
    state = asdict(view.state)
    words = advice(view.state.error)
    return {
        "id": view.terminal.id,
        "name": view.terminal.name,
        "online": view.online,
        **state,
        "serial": view.state.serial or view.terminal.serial,
        "error_text": words.text if words else None,
        "error_cure": words.cure if words else None,
        "log_full_on": full_on.isoformat() if full_on else None,
        "model": view.facts.model,
        "mac": view.facts.mac,
        "host": view.facts.host,
    }


def problems(
    health: Health, views: Sequence[TerminalView], *, waiting_since: datetime | None = None
) -> list[dict[str, object]]:
    """Return everything that people should look at, worst first.

    Args:
        health: How the bridge is doing.
        views: Its terminals.
        waiting_since: Since when events have waited for longer than they should; None: none has.
    """
    found: list[dict[str, object]] = [
        _problem("error", fault, "Restart the bridge and keep its log: this is a defect.")
        for fault in health.faults
    ]
    if not health.broker_connected and health.broker_error:
        found.append(
            _problem(
                "error",
                f"The MQTT broker {health.broker} is away: {health.broker_error}",
                "Check mqtt.host, its user and password, and that the broker runs. Nothing is"
                " lost: events are stored and published as soon as it is back.",
            )
        )
    elif waiting_since is not None:
        found.append(
            _problem(
                "warning",
                f"Events have been waiting since {iso(waiting_since)} though the broker answers",
                "The log says why; nothing is lost meanwhile.",
            )
        )
    for view in views:
        words = advice(view.state.error)
        if words is not None:
            severity = "warning" if view.online else "error"
            found.append(_problem(severity, words.text, words.cure, view.terminal.name))
        elif view.online is False:
            found.append(_problem("error", "Offline", "", view.terminal.name))
    found += [_problem("warning", warning, "") for warning in health.warnings]
    if health.refused:
        found.append(
            _problem(
                "warning",
                f"The broker refused {health.refused} events for good",
                "The log says which and why; a limit on message size or an access rule of the"
                " broker is the usual reason.",
            )
        )
    return sorted(found, key=lambda problem: problem["severity"] != "error")


def _problem(severity: str, text: str, cure: str, terminal: str | None = None) -> dict[str, object]:
    return {"severity": severity, "text": text, "cure": cure or None, "terminal": terminal}
