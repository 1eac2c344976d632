"""Punches as files: CSV for spreadsheets, JSON for programs; a page of them at a time. Pure."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence

from zkbridge.web.shapes import CSV_COLUMNS, csv_row


async def csv_file(pages: AsyncIterator[Sequence[Mapping[str, object]]]) -> AsyncIterator[bytes]:
    """Yield a CSV file with a header line, in UTF-8."""
    # The mark makes spreadsheets read UTF-8.
    yield ("\ufeff" + _csv_text([list(CSV_COLUMNS)])).encode()
    async for punches in pages:
        yield _csv_text([csv_row(punch) for punch in punches]).encode("utf-8", "replace")


def _csv_text(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


async def json_file(pages: AsyncIterator[Sequence[Mapping[str, object]]]) -> AsyncIterator[bytes]:
    """Yield a JSON list, one punch in a line."""
    separator = b"[\n"
    async for punches in pages:
        for punch in punches:
            yield separator + json.dumps(punch, separators=(",", ":")).encode()
            separator = b",\n"
    yield b"[]\n" if separator == b"[\n" else b"\n]\n"
