"""Options that several commands share, and how their values are read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from zkbridge.cli.failures import UsageFault
from zkbridge.cli.output import Style
from zkbridge.config import duration
from zkbridge.logs import printable
from zkbridge.timezones import to_utc, zone

_LARGEST_COMM_KEY: Final = 0xFFFFFFFF
_AGE: Final = re.compile(r"\d+(?:\.\d+)?[smhd]")

Kind = Literal["auto", "tcp", "udp"]

Host = Annotated[
    str, typer.Argument(metavar="HOST", help="Address or name of the terminal.", show_default=False)
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the terminal.")]
# Text, so that a mistyped key is not part of the error message.
CommKey = Annotated[
    str,
    typer.Option(
        envvar="ZK_COMM_KEY",
        help="Comm key of its menu; 0: none. The environment keeps it out of the process list.",
    ),
]
Transport = Annotated[Kind, typer.Option(help="auto: TCP, then UDP.")]
Timeout = Annotated[str, typer.Option(help="How long one frame may take: 10s.")]
Timezone = Annotated[
    str | None,
    typer.Option(help="Zone of its clock, like Asia/Bangkok; default: this machine's."),
]
Encoding = Annotated[str, typer.Option(help="Of names that are not UTF-8: gbk, cp1256 ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Write to this file.", show_default=False),
]
ConfigFile = Annotated[
    Path, typer.Option("-c", "--config", help="The bridge's configuration file.")
]


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach one terminal and to read what it says."""

    host: str
    port: int
    comm_key: int
    transport: Kind
    timeout_s: float
    encoding: str


def address(  # noqa: PLR0917 - what every command has in this order
    host: str, port: int, comm_key: str, transport: Kind, timeout: str, encoding: str
) -> Address:
    """Check what was given for a terminal.

    Raises:
        UsageFault: Something cannot be used.
    """
    if not comm_key.isascii() or not comm_key.isdigit() or int(comm_key) > _LARGEST_COMM_KEY:
        raise UsageFault("--comm-key: a comm key is a number of 32 bits at most")
    try:
        known = isinstance(b"a".decode(encoding), str)
    except (LookupError, ValueError) as error:
        raise UsageFault(f"--encoding: unknown encoding {encoding!r}") from error
    timeout_s = seconds("--timeout", timeout)
    if timeout_s <= 0:
        raise UsageFault("--timeout: more than 0 is needed")
    return Address(host, port, int(comm_key), transport, timeout_s, encoding if known else "utf-8")


def seconds(option: str, text: str) -> float:
    """Read a duration like 30s or 5m."""
    try:
        value = duration(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise UsageFault(f"{option}: {error} (it is {printable(text)!r})") from error
    return value.total_seconds() if isinstance(value, timedelta) else 0.0


def style(*, as_json: bool, as_csv: bool) -> Style:
    """Choose one look."""
    if as_json and as_csv:
        raise UsageFault("--json and --csv exclude each other")
    return Style.JSON if as_json else Style.CSV if as_csv else Style.TABLE


def time_zone(name: str | None) -> tzinfo:
    """Look a zone up."""
    try:
        return zone(name)
    except ValueError as error:
        raise UsageFault(f"--timezone: {error}; it is like Asia/Bangkok") from error


def moment(option: str, text: str, local: tzinfo, now: datetime) -> datetime:
    """Read a moment: an age like 7d, a day, or ISO 8601; without an offset, in that zone.

    Raises:
        UsageFault: It is none of these.
    """
    try:
        if _AGE.fullmatch(text):
            return now - timedelta(seconds=seconds(option, text))
        value = datetime.fromisoformat(text)
        return to_utc(value, local) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageFault(
            f"{option}: a moment is like 7d, 2026-01-31 or 2026-01-31T08:00"
            f" (it is {printable(text)!r})"
        ) from error
