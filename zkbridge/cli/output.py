"""Rows to a screen or a file: table, JSON or CSV, written while they arrive.

Terminal text is data here: it is never markup, and nothing in it acts on a screen or in a
spreadsheet (contract 2).
"""

import contextlib
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TextIO, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zkbridge.logs import printable

# A spreadsheet takes a cell that starts like this for a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide forms
_ROWS_MEASURED: Final = 200
_T = TypeVar("_T")
_GAP: Final = "  "

Row = Mapping[str, object]


class Style(StrEnum):
    """What rows look like."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table and of CSV; JSON has its key.

    Attributes:
        key: Where a row holds the value.
        title: Above a table.
        width: At least that many cells, so that rows that come one by one stand in line.
    """

    key: str
    title: str
    width: int = 0


def plain(value: object) -> str:
    """Turn a value into text that is safe on a screen."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case bytes():
            return value.hex()
        case datetime():
            return value.isoformat(sep=" ")
        case list() | tuple():
            return " ".join(plain(each) for each in value)
        case _:
            return printable(str(value))


def as_json(value: object) -> str:
    r"""Format as JSON whose text acts on no screen: what would, stands as an escape.

    >>> as_json({"name": "\x1b[2J\u202e é"})
    '{"name": "\\u001b[2J\\u202e é"}'
    """
    text = json.dumps(value, ensure_ascii=False, default=_json_value)
    if text.isprintable():
        return text
    return "".join(c if printable(c) == c else json.dumps(c)[1:-1] for c in text)


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def csv_cell(value: object) -> object:
    """Return what a CSV cell holds; text that a spreadsheet would run is quoted.

    >>> csv_cell("=1+1"), csv_cell(-5)
    ("'=1+1", -5)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value.isoformat() if isinstance(value, datetime) else plain(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


class Sheet(Protocol):
    """Takes rows one by one."""

    def add(self, row: Row) -> None:
        """Write one row, or keep it until there is enough to measure."""

    def finish(self) -> None:
        """Write what is still kept."""


class _Table:
    def __init__(self, file: TextIO, columns: Sequence[Column], *, at_once: bool) -> None:
        self._file = file
        self._columns = columns
        self._waiting: list[list[str]] = []
        self._widths: list[int] | None = None
        self._measured = 1 if at_once else _ROWS_MEASURED
        self._at_once = at_once

    def add(self, row: Row) -> None:
        cells = [plain(row.get(column.key)) for column in self._columns]
        if self._widths is None:
            self._waiting.append(cells)
            if len(self._waiting) >= self._measured:
                self._start()
        else:
            self._write(cells)

    def finish(self) -> None:
        if self._widths is None:
            self._start()

    def _start(self) -> None:
        titles = [column.title for column in self._columns]
        rows = [titles, *self._waiting]
        self._widths = [
            max(column.width, *(cell_len(row[index]) for row in rows))
            for index, column in enumerate(self._columns)
        ]
        self._write(titles, bold=self._file.isatty() and "NO_COLOR" not in os.environ)
        for cells in self._waiting:
            self._write(cells)
        self._waiting.clear()

    def _write(self, cells: Sequence[str], *, bold: bool = False) -> None:
        padded = (
            cell + " " * (width - cell_len(cell))
            for cell, width in zip(cells, self._widths or (), strict=True)
        )
        line = _GAP.join(padded).rstrip()
        self._file.write(f"\x1b[1m{line}\x1b[0m\n" if bold else f"{line}\n")
        if self._at_once:
            self._file.flush()


class _Json:
    """An array of objects; where rows come without end, one object a line."""

    def __init__(self, file: TextIO, *, lines: bool) -> None:
        self._file = file
        self._lines = lines
        self._empty = True

    def add(self, row: Row) -> None:
        if self._lines:
            self._file.write(as_json(row) + "\n")
            self._file.flush()
        else:
            self._file.write(("[\n" if self._empty else ",\n") + as_json(row))
            self._empty = False

    def finish(self) -> None:
        if not self._lines:
            self._file.write("[]\n" if self._empty else "\n]\n")


class _Csv:
    def __init__(self, file: TextIO, columns: Sequence[Column], *, at_once: bool) -> None:
        self._file = file
        self._keys = [column.key for column in columns]
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(self._keys)
        self._at_once = at_once

    def add(self, row: Row) -> None:
        self._writer.writerow([csv_cell(row.get(key)) for key in self._keys])
        if self._at_once:
            self._file.flush()

    def finish(self) -> None:
        """Every row is written already."""


def sheet(file: TextIO, style: Style, columns: Sequence[Column], *, at_once: bool = False) -> Sheet:
    """Return a writer of rows.

    Args:
        file: Where to.
        style: What they look like.
        columns: Of a table or of CSV.
        at_once: Rows come one by one and each is shown when it comes.
    """
    if style is Style.JSON:
        return _Json(file, lines=at_once)
    if style is Style.CSV:
        return _Csv(file, columns, at_once=at_once)
    return _Table(file, columns, at_once=at_once)


def write_rows(file: TextIO, style: Style, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Write all rows."""
    writer = sheet(file, style, columns)
    for row in rows:
        writer.add(row)
    writer.finish()


def write_facts(file: TextIO, style: Style, facts: Row) -> None:
    """Write one thing's facts: a line for each, one JSON object, or two CSV columns."""
    if style is Style.JSON:
        file.write(as_json(facts) + "\n")
        return
    columns = (Column("fact", "Fact"), Column("value", "Value"))
    write_rows(file, style, columns, ({"fact": k, "value": v} for k, v in facts.items()))


class Destination:
    """Standard output, or a file that appears whole or not at all.

    Args:
        path: None or ``-``: standard output.
        private: Only the user may read the file.
        growing: The file is watched while it grows, so it must be there from the start.
    """

    def __init__(self, path: Path | None, *, private: bool = False, growing: bool = False) -> None:
        self._path = None if path is None or str(path) == "-" else path
        self._private = private
        self._growing = growing
        self._stack = contextlib.ExitStack()
        self._temporary: Path | None = None

    def __enter__(self) -> TextIO:
        if self._path is None:
            return sys.stdout
        if self._growing or (self._path.exists() and not self._path.is_file()):
            # A pipe or a device cannot be replaced by a file.
            mode = 0o600 if self._private else 0o666
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        else:
            descriptor, name = tempfile.mkstemp(
                dir=self._path.parent, prefix=f".{self._path.name}."
            )
            self._temporary = Path(name)
        return self._stack.enter_context(
            os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="")
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        if self._path is None:
            sys.stdout.flush()
        if self._temporary is not None and self._path is not None:
            _settle(self._temporary, self._path, keep=kind is None, private=self._private)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only the user may read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    written = False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        written = True
    finally:
        _settle(temporary, path, keep=written, private=True)


def _settle(temporary: Path, path: Path, *, keep: bool, private: bool) -> None:
    if not keep:
        temporary.unlink(missing_ok=True)
        return
    if not private:
        mask = os.umask(0o077)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
    temporary.replace(path)


class Bar:
    """A progress bar on a terminal's standard error; nothing where nobody looks.

    Args:
        what: Before the bar.
        total: Steps; None: not known.
        wanted: False where rows on the same screen show the progress.
    """

    def __init__(self, what: str, total: int | None, *, wanted: bool = True) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not (wanted and sys.stderr.isatty()),
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, count: int = 1) -> None:
        """Move on."""
        self._progress.advance(self._task, count)

    def counted(self, items: Iterable[_T]) -> Iterator[_T]:
        """Pass items on and count them."""
        for item in items:
            yield item
            self._progress.advance(self._task)
