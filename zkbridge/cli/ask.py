"""Commands that ask one terminal, without a broker: info, users, punches, oplog."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from zkbridge.asking import served
from zkbridge.cli import options as o
from zkbridge.cli.messages import note
from zkbridge.cli.output import Bar, Column, Destination, Row, Sheet, sheet, write_facts, write_rows
from zkbridge.timezones import iso_local, to_utc
from zkbridge.vocabulary import operation_type, punch_type, verified_by
from zkbridge.zk import Attendance, LivePunch, OpLog, Undecodable, User, ZKDevice

app = typer.Typer()

USERS: Final = (
    Column("uid", "UID"),
    Column("user_id", "User"),
    Column("name", "Name"),
    Column("role", "Role"),
    Column("group_id", "Group"),
    Column("enabled", "Enabled"),
)
SECRETS: Final = (Column("password", "PIN"), Column("card", "Card"))
PUNCHES: Final = (
    Column("timestamp", "Time", 25),
    Column("user_id", "User", 10),
    Column("event_type", "Punch", 12),
    Column("verified_by", "Verified by", 12),
    Column("punch_code", "Code"),
    Column("verify_code", "Method"),
)
OPERATIONS: Final = (
    Column("timestamp", "Time", 25),
    Column("event_type", "Operation"),
    Column("op_code", "Code"),
    Column("admin_uid", "Admin"),
    Column("params", "Parameters"),
    Column("raw", "Raw"),
)


@contextmanager
def connected(address: o.Address) -> Iterator[ZKDevice]:
    """Open a terminal, and leave it as it was."""
    device = ZKDevice(
        address.host,
        address.port,
        address.comm_key,
        address.timeout_s,
        kind=address.transport,
        encoding=address.encoding,
        handshake=False,
    )
    with device:
        yield device


def user_row(user: User) -> Row:
    """What is shown of a user; PIN and card only where their columns are asked for."""
    return {
        "uid": user.uid,
        "user_id": user.user_id,
        "name": user.name,
        "role": user.role,
        "group_id": user.group_id,
        "enabled": not user.disabled,
    }


def punch_row(record: Attendance | LivePunch, local: tzinfo) -> Row:
    """A punch in the words of the bridge's topics."""
    return {
        "timestamp": local_time(record.timestamp, local),
        "user_id": record.user_id,
        "event_type": punch_type(record.punch),
        "verified_by": verified_by(record.status),
        "punch_code": record.punch,
        "verify_code": record.status,
        "raw_time": record.raw_time,
    }


def operation_row(record: OpLog, local: tzinfo) -> Row:
    """An operation in the words of the bridge's topics."""
    return {
        "timestamp": local_time(record.timestamp, local),
        "event_type": operation_type(record.op),
        "op_code": record.op,
        "admin_uid": record.admin_uid,
        "params": list(record.params),
        "raw": record.raw,
    }


def local_time(wall: datetime | None, local: tzinfo) -> str | None:
    """Format a terminal's wall clock with its offset; None for a date that does not exist."""
    return None if wall is None else iso_local(to_utc(wall, local), wall)


@app.command(epilog="Example: zkbridge info 192.168.1.201")
def info(
    host: o.Host,
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
    timezone: o.Timezone = None,
    encoding: o.Encoding = "utf-8",
    as_json: o.AsJson = False,
    as_csv: o.AsCsv = False,
    output: o.Output = None,
) -> None:
    """Tell what a terminal is: serial, firmware, clock, counts and capacities."""
    address = o.address(host, port, comm_key, transport, timeout, encoding)
    look = o.style(as_json=as_json, as_csv=as_csv)
    local = o.time_zone(timezone)
    with connected(address) as device:
        facts = device_facts(device, local)
    with Destination(output) as file:
        write_facts(file, look, facts)


def device_facts(device: ZKDevice, local: tzinfo) -> Row:
    """What a terminal tells about itself; None where it does not."""
    wall = device.clock()
    drift = None
    if wall is not None:
        drift = round((to_utc(wall, local) - datetime.now(UTC)).total_seconds())
    capacity = device.capacity()
    return {
        "serial": device.serial or None,
        "name": device.capabilities.get("~DeviceName"),
        "platform": device.platform or None,
        "firmware": device.firmware or None,
        "mac": device.mac,
        "clock": local_time(wall, local),
        "clock_drift": drift,
        **{name: count for name, count in asdict(capacity).items() if name != "raw"},
    }


@app.command(epilog="Example: zkbridge users 192.168.1.201 --csv -o users.csv")
def users(
    host: o.Host,
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
    encoding: o.Encoding = "utf-8",
    as_json: o.AsJson = False,
    as_csv: o.AsCsv = False,
    output: o.Output = None,
    secrets: Annotated[bool, typer.Option("--secrets", help="Show PINs and cards too.")] = False,
) -> None:
    """List who is enrolled."""
    address = o.address(host, port, comm_key, transport, timeout, encoding)
    look = o.style(as_json=as_json, as_csv=as_csv)
    with connected(address) as device, Bar("users", None) as bar:
        found = list(bar.counted(served(device, device.users)))
    rows: Iterator[Row] = map(user_row, found)
    if secrets:
        rows = ({**user_row(u), "password": u.password, "card": u.card or None} for u in found)
    with Destination(output, private=secrets) as file:
        write_rows(file, look, (*USERS, *SECRETS) if secrets else USERS, rows)


@app.command(epilog="Examples: zkbridge punches 192.168.1.201 --since 7d --csv -o punches.csv")
def punches(
    host: o.Host,
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
    timezone: o.Timezone = None,
    encoding: o.Encoding = "utf-8",
    as_json: o.AsJson = False,
    as_csv: o.AsCsv = False,
    output: o.Output = None,
    since: Annotated[
        str | None, typer.Option(help="Not older than this: 7d, 2026-01-31 or 2026-01-31T08:00.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with live punches until Ctrl-C.")
    ] = False,
) -> None:
    """Print the punches that a terminal has stored; with --follow alone, only new ones."""
    address = o.address(host, port, comm_key, transport, timeout, encoding)
    look = o.style(as_json=as_json, as_csv=as_csv)
    local = o.time_zone(timezone)
    start = None if since is None else o.moment("--since", since, local, datetime.now(UTC))
    with (
        Destination(output, growing=follow) as file,
        connected(address) as device,
    ):
        writer = sheet(file, look, PUNCHES, at_once=follow)
        if follow:
            device.register_events()
        seen: set[tuple[str, int]] = set()
        if since is not None or not follow:
            for record in _stored(device, "punches", rows_shown=_on_screen(output)):
                if isinstance(record, Attendance) and _is_since(record.timestamp, local, start):
                    writer.add(punch_row(record, local))
                    if follow:
                        seen.add((record.user_id, record.raw_time))
        if follow:
            _follow(device, writer, local, seen)
        writer.finish()


def _follow(device: ZKDevice, writer: Sheet, local: tzinfo, seen: set[tuple[str, int]]) -> None:
    # A punch made while the log was read is in the log and comes live.
    with suppress(KeyboardInterrupt):
        for event in device.live_events():
            if isinstance(event, LivePunch) and (event.user_id, event.raw_time) not in seen:
                writer.add(punch_row(event, local))


def _stored(
    device: ZKDevice, log: Literal["punches", "operations"], *, rows_shown: bool
) -> Iterator[Attendance | OpLog]:
    """Read a whole log, with a bar where no rows show the progress; say what is unreadable."""
    undecodable = 0

    def read() -> Iterator[Attendance | OpLog | Undecodable]:
        records = device.read_log(log)
        with Bar(log, records.expected, wanted=not rows_shown) as bar:
            yield from bar.counted(records)

    for record in served(device, read):
        if isinstance(record, Undecodable):
            undecodable += 1
        else:
            yield record
    if undecodable:
        note(
            f"{undecodable} records fit no layout and were left out; record the terminal with"
            " zkbridge capture and report it"
        )


def _is_since(wall: datetime | None, local: tzinfo, start: datetime | None) -> bool:
    # A date that does not exist is older than nothing.
    return start is None or wall is None or to_utc(wall, local) >= start


def _on_screen(output: Path | None) -> bool:
    return output is None and sys.stdout.isatty()


@app.command(epilog="Example: zkbridge oplog 192.168.1.201 --json")
def oplog(
    host: o.Host,
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
    timezone: o.Timezone = None,
    encoding: o.Encoding = "utf-8",
    as_json: o.AsJson = False,
    as_csv: o.AsCsv = False,
    output: o.Output = None,
) -> None:
    """Print a terminal's operation log: who changed what at its menu."""
    address = o.address(host, port, comm_key, transport, timeout, encoding)
    look = o.style(as_json=as_json, as_csv=as_csv)
    local = o.time_zone(timezone)
    with Destination(output) as file, connected(address) as device:
        records = _stored(device, "operations", rows_shown=_on_screen(output))
        rows = (operation_row(r, local) for r in records if isinstance(r, OpLog))
        write_rows(file, look, OPERATIONS, rows)
