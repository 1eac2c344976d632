"""``kill -9`` at any moment: what was promised is there, and nothing of what was not half."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.store.making import KEY, punch
from zkbridge.events import Log
from zkbridge.store import Lane, Store

# Three threads store pairs of punches and move the cursor; what is committed is told on stdout.
_WRITER = """
    import sys, threading
    from pathlib import Path
    from tests.store.making import *
    from zkbridge.events import Log
    from zkbridge.store import Store

    store = Store(Path(sys.argv[1]))
    store.open()
    lock = threading.Lock()

    def write(worker):
        number = store_punches(store, terminal_id=f"door_{worker}")
        for n in range(0, 1_000_000, 2):
            with store.transaction() as tx:
                add_punch(tx, number, punch(n, str(worker)))
                tx.move_cursor(number, Log.PUNCHES, str(n + 2))
                add_punch(tx, number, punch(n + 1, str(worker)))
            with lock:
                print(worker, n + 2, flush=True)
            if n % 10 == 8:
                store.mark([item.seq for item in store.pending(Lane.NORMAL, number, 0, 5)])

    for worker in range(3):
        threading.Thread(target=write, args=(worker,), daemon=True).start()
    threading.Event().wait()
"""


@pytest.mark.parametrize("lines_before_kill", [1, 7, 40, 333])
def test_what_was_committed_survives_a_kill(path: Path, lines_before_kill: int) -> None:
    program = textwrap.dedent(_WRITER).replace("Store\n\n", "Store, Lane\n\n", 1)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().split() for _ in range(lines_before_kill)]
        writer.send_signal(signal.SIGKILL)
        told += [line.split() for line in writer.stdout if line.endswith("\n")]
        writer.wait(30)

    with Store(path) as store:
        assert not store.fresh
        assert not store.recovered
        for worker in range(3):
            promised = max((int(n) for w, n in told if w == str(worker)), default=0)
            known = store.terminal_by_key(f"DOOR_{worker}")
            if known is None:
                assert promised == 0
                continue
            stored = [found.event for found in store.stream(terminal=f"door_{worker}")]
            assert stored == [punch(n, str(worker)) for n in range(len(stored))]
            assert len(stored) >= promised
            # Records and cursor move together.
            assert known.cursor(Log.PUNCHES) == (str(len(stored)) if stored else None)


def test_marks_survive_a_kill(path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from tests.store.making import *
        from zkbridge.store import Store
        store = Store(Path(sys.argv[1]))
        store.open()
        store_punches(store, *[punch(n) for n in range(10)])
        store.mark([1, 2, 3], refused=[4])
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(path)], check=False, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL

    with Store(path) as store:
        assert [item.seq for item in store.pending(Lane.NORMAL, None, 0, 99)] == list(range(5, 11))
        assert (store.queue_depth(), store.refused_count()) == (6, 1)
        assert store.terminals()[0].key == KEY
