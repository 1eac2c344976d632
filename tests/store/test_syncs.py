"""What reaches the disk when, as the kernel sees it."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

_SYNC = re.compile(r"\b(?:fsync|fdatasync)\(\d+<([^>]*)>")

_PRELUDE = """
    import os, sys
    from pathlib import Path
    from tests.store.making import *
    from zkbridge.store import *
    from zkbridge.events import Log, Terminal, TerminalView
    path = Path(sys.argv[1])
    store = Store(path)
    store.open()
    number = store_punches(store, *[punch(n) for n in range(3)])
    os.path.exists("mark-begin")
"""


def _syncs(path: Path, body: str) -> list[str]:
    """Return the files synced between the two marks of a program's run."""
    program = textwrap.dedent(_PRELUDE) + textwrap.dedent(body) + "os.path.exists('mark-end')\n"
    trace = path.with_suffix(".trace")
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,%%stat"]
    subprocess.run(  # noqa: S603 - our own program
        [*command, sys.executable, "-c", program, str(path)], check=True, timeout=60
    )
    lines = trace.read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if "mark-begin" in line)
    end = next(n for n, line in enumerate(lines) if "mark-end" in line)
    return [Path(m[1]).name for line in lines[begin:end] if (m := _SYNC.search(line))]


@pytest.mark.parametrize("transactions", [1, 5])
def test_a_transaction_syncs_the_log_once(path: Path, transactions: int) -> None:
    body = f"""
    for n in range({transactions}):
        with store.transaction() as tx:
            add_punch(tx, number, punch(100 + n))
            tx.move_cursor(number, Log.PUNCHES, str(n))
    """
    assert _syncs(path, body) == ["zkbridge.db-wal"] * transactions


def test_marks_and_views_sync_nothing(path: Path) -> None:
    body = """
    store.mark([1])
    store.mark([2], dropped=[3])
    store.set_view(TerminalView(terminal=Terminal(key="K", id="front_door", name="Door")))
    store._views.save()
    """
    assert _syncs(path, body) == []


def test_a_record_after_a_mark_is_synced_again(path: Path) -> None:
    body = """
    for n in range(3):
        store.mark([n + 1])
        with store.transaction() as tx:
            add_punch(tx, number, punch(100 + n))
    """
    assert _syncs(path, body) == ["zkbridge.db-wal"] * 3
