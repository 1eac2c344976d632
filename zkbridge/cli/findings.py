"""The doctor's findings as one table, then each problem with its cure."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zkbridge.cli.failures import FAILED, FINE
from zkbridge.cli.output import Style, as_json, plain
from zkbridge.doctor import Finding

_TITLES = (
    "",
    "Address",
    "Answers",
    "Serial",
    "Firmware",
    "Clock",
    "Users",
    "Punches",
    "Log used",
    "Reads that work",
)
_NARROWEST = 100


def show_findings(found: Sequence[Finding], file: TextIO, style: Style) -> int:
    """Print what was found; returns an exit code."""
    if style is Style.JSON:
        file.writelines(f"{as_json(_fields(each))}\n" for each in found)
    else:
        _print(found, file)
    return FAILED if any(each.problems for each in found) else FINE


def _fields(finding: Finding) -> dict[str, object]:
    fields = asdict(finding)
    if finding.capacity is not None:
        fields["capacity"].pop("raw", None)
    return fields


def _print(found: Sequence[Finding], file: TextIO) -> None:
    console = Console(file=file, markup=False, highlight=False, emoji=False)
    if not console.is_terminal or console.width < _NARROWEST:
        # A file has no width, and a narrow screen breaks long lines better than a table does.
        console.width = max(console.width, 160 if not console.is_terminal else _NARROWEST)
    table = Table(*_TITLES, box=box.SIMPLE_HEAD, pad_edge=False)
    for each in found:
        table.add_row(*(_cell(text, each) for text in _cells(each)))
    console.print(table)
    for each in found:
        for problem in each.problems:
            console.print(Text(f"✗ {plain(each.name)}: {plain(problem.what)}", "bold red"))
            console.print(Text(f"  → {plain(problem.cure)}"))
    if not any(each.problems for each in found):
        console.print(Text("Everything works.", "bold green"))


def _cells(finding: Finding) -> tuple[str, ...]:
    capacity = finding.capacity
    drift = finding.clock_drift
    answers = "yes" if finding.reachable else "no"
    if finding.protocol:
        answers = f"MQTT {finding.protocol}"
    return (
        finding.name,
        finding.place,
        answers,
        plain(finding.serial),
        plain(finding.firmware),
        "" if drift is None else f"{round(drift):+d} s",
        "" if capacity is None else _of(capacity.users, capacity.users_capacity),
        "" if capacity is None else _of(capacity.punches, capacity.punches_capacity),
        "" if finding.log_used is None else f"{finding.log_used:.1f} %",
        ", ".join(name for name, works in finding.reads.items() if works),
    )


def _of(count: int | None, most: int | None) -> str:
    return f"{plain(count)} of {most}" if most else plain(count)


def _cell(text: str, finding: Finding) -> Text:
    return Text(plain(text), "" if finding.reachable else "red")
