"""Commands around the bridge: run, check, export, forget, addon."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from zkbridge.cli import options as o
from zkbridge.cli.messages import note
from zkbridge.cli.output import Column, Destination, Row, Style, write_rows
from zkbridge.config import Options, load
from zkbridge.timezones import zone

app = typer.Typer()

_PUNCHES = (
    Column("timestamp", "Time"),
    Column("terminal_id", "Terminal"),
    Column("user_id", "User"),
    Column("user_name", "Name"),
    Column("event_type", "Punch"),
    Column("verified_by", "Verified by"),
    Column("punch_code", "Code"),
    Column("verify_code", "Method"),
    Column("source", "Source"),
    Column("seen_at", "Seen"),
    Column("serial", "Serial"),
    Column("id", "Id"),
)
_FOREGROUND = {"ignore_unknown_options": True, "allow_extra_args": True}

Whom = Annotated[str, typer.Argument(metavar="USER_ID", show_default=False)]


@app.command(epilog="Example: zkbridge run -c /etc/zkbridge/config.yaml")
def run(config: o.ConfigFile = Path("config.yaml")) -> int:
    """Run the bridge in the foreground. SIGHUP re-reads the configuration."""
    from zkbridge import app as bridge  # noqa: PLC0415 - it would slow every other command

    return bridge.run(load(config), reload=lambda: load(config))


@app.command()
def addon(
    *,
    options: Annotated[Path, typer.Option(help="The Supervisor's options file.")] = Path(
        "/data/options.json"
    ),
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("/data"),
) -> int:
    """Run as a Home Assistant add-on: the Supervisor's options, its MQTT service, the bridge."""
    from zkbridge import addon as home_assistant  # noqa: PLC0415 - see run
    from zkbridge import app as bridge  # noqa: PLC0415 - see run

    return home_assistant.main(options, data, os.environ, run=bridge.run)


@app.command(epilog="Example: zkbridge check -c config.yaml")
def check(
    *,
    config: o.ConfigFile = Path("config.yaml"),
    offline: Annotated[
        bool, typer.Option("--offline", help="Validate the configuration only.")
    ] = False,
    as_json: o.AsJson = False,
) -> int:
    """Say what works, what does not, and what to do: configuration, broker, every terminal."""
    from zkbridge import doctor  # noqa: PLC0415 - see run
    from zkbridge.cli.findings import show_findings  # noqa: PLC0415 - see run

    options = load(config)
    doctor.check_files(options)
    if offline:
        note(f"{config} is fine: {_count(len(options.terminals), 'terminal')}")
        return 0
    note(f"trying the broker and {_count(len(options.terminals), 'terminal')} ...")
    found = doctor.examine(options)
    return show_findings(found, sys.stdout, Style.JSON if as_json else Style.TABLE)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@app.command(
    epilog="Example: zkbridge export --from 2026-01-01 --terminal front_door -o january.csv"
)
def export(
    *,
    config: o.ConfigFile = Path("config.yaml"),
    since: Annotated[
        str | None,
        typer.Option("--from", help="From then on: 2026-01-31, 2026-01-31T08:00 or 7d."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before then.")] = None,
    terminal: Annotated[str | None, typer.Option(help="Id of a terminal.")] = None,
    user: Annotated[str | None, typer.Option(help="User id.")] = None,
    form: Annotated[
        Literal["csv", "json"], typer.Option("--format", help="What to write.")
    ] = "csv",
    output: o.Output = None,
) -> None:
    """Write punches from the bridge's own store, oldest first; also while the bridge runs."""
    options = load(config)
    now, local = datetime.now(UTC), zone(None)
    first = None if since is None else o.moment("--from", since, local, now)
    last = None if until is None else o.moment("--to", until, local, now)
    rows = _stored(options, first, last, terminal, user)
    with Destination(output) as file:
        write_rows(file, Style(form), _PUNCHES, rows)


def _stored(
    options: Options,
    first: datetime | None,
    last: datetime | None,
    terminal: str | None,
    user: str | None,
) -> Iterator[Row]:
    from zkbridge.store import ReadOnlyStore  # noqa: PLC0415 - see run
    from zkbridge.web.shapes import punch_json  # noqa: PLC0415 - see run

    with ReadOnlyStore(options.store.path) as store:
        for stored in store.stream(since=first, until=last, terminal=terminal, user_id=user):
            yield punch_json(stored)


@app.command(epilog="Example: zkbridge forget 1042")
def forget(user_id: Whom, config: o.ConfigFile = Path("config.yaml")) -> int:
    """Erase one person from the store and from retained topics."""
    from zkbridge.cli.erasing import forget_person  # noqa: PLC0415 - see run

    return forget_person(load(config), user_id)
