"""The performance: everything is started, shown and put away again."""

import contextlib
import importlib.util
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import yaml

from zkbridge.demo.audience import Audience
from zkbridge.demo.scene import Place, Scene

_START_S: Final = 20.0
_STOP_S: Final = 6.0
_LAST_WORDS_S: Final = 2.0
_USUAL_PAGE_PORT: Final = 8099

Say = Callable[[str], None]


class DemoError(Exception):
    """The demonstration cannot go on; the text says what to do."""


def play(say: Say, seconds: float | None = None) -> None:
    """Show the bridge at work until Ctrl-C, SIGTERM, or for that many seconds.

    Args:
        say: Shows one line.
        seconds: None: without end.

    Raises:
        DemoError: Something did not start, or stopped on its own.
    """
    if importlib.util.find_spec("amqtt") is None:
        raise DemoError("the demo needs a broker of its own: pip install 'zkbridge[demo]'")
    ended = threading.Event()
    with _signals(ended), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zkbridge-demo-")))
        broker_port = stack.enter_context(_broker())
        audience = Audience(broker_port, say, frozenset({"front_door", "workshop"}))
        scene = Scene(audience.expect)
        stack.callback(scene.close)
        scene.open()
        audience.open()
        stack.callback(audience.close)
        page_port = _free_page_port()
        config = folder / "config.yaml"
        config.write_text(_configuration(broker_port, page_port, folder, scene.places))
        say(f"broker   127.0.0.1:{broker_port}   (mosquitto_sub -p {broker_port} -t 'zkbridge/#')")
        for place in scene.places:
            say(f"terminal 127.0.0.1:{place.terminal.port}   {place.name}")
        bridge = stack.enter_context(_bridge(config))
        until = None if seconds is None else time.monotonic() + seconds
        _wait(bridge, ended, until, audience.ready.is_set, _START_S)
        page = f"http://127.0.0.1:{page_port}/"
        if not ended.is_set():
            say(f"page     {page}" if _serves(page) else "page     is not served")
            say("people punch now; Ctrl-C ends it")
            scene.start()
            _wait(bridge, ended, until, lambda: False)
            scene.rest()
            audience.hear_out(_LAST_WORDS_S)
        say("")
        say(audience.summary())


@contextlib.contextmanager
def _signals(ended: threading.Event) -> Iterator[None]:
    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, end) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@contextlib.contextmanager
def _broker() -> Iterator[int]:
    # In a session of its own: Ctrl-C is for the demo, which ends the others in order.
    with subprocess.Popen(
        [sys.executable, "-m", "zkbridge.demo.broker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise DemoError("the broker's process cannot be reached")
        try:
            first = process.stdout.readline().strip()
            if not first.isdigit():
                raise DemoError("the broker did not start; see above")
            yield int(first)
        finally:
            process.stdin.close()
            _end(process)


@contextlib.contextmanager
def _bridge(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    # What a user types, started as a user starts it.
    command = [sys.executable, "-m", "zkbridge", "run", "-c", str(config)]
    # An option that the user keeps in the environment is for the user's own bridge.
    environ = {key: text for key, text in os.environ.items() if not key.startswith("ZKBRIDGE_")}
    with subprocess.Popen(  # noqa: S603 - our own interpreter and a file of ours
        command, cwd=config.parent, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            _end(process)


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait(
    bridge: subprocess.Popen[bytes],
    ended: threading.Event,
    until: float | None,
    enough: Callable[[], bool],
    patience_s: float = math.inf,
) -> None:
    """Wait for the end, or for enough; the bridge must live on meanwhile."""
    started = time.monotonic()
    while not ended.wait(0.1) and not enough():
        code = bridge.poll()
        if code is not None:
            raise DemoError(f"the bridge ended on its own (exit code {code}); see above")
        now = time.monotonic()
        if until is not None and now >= until:
            ended.set()
        elif now - started > patience_s:
            raise DemoError(f"the terminals did not come to life in {patience_s:.0f} s; see above")


def _configuration(broker: int, page: int, folder: Path, places: tuple[Place, ...]) -> str:
    return yaml.safe_dump(
        {
            # The only version that this broker speaks; of a newer greeting it makes nothing.
            "mqtt": {"host": "127.0.0.1", "port": broker, "protocol": "3.1.1"},
            "terminals": [
                {
                    "name": place.name,
                    "id": place.id,
                    "host": "127.0.0.1",
                    "port": place.terminal.port,
                    "backfill": "7d",
                    "poll_interval": "5s",
                }
                for place in places
            ],
            "store": {"path": str(folder / "zkbridge.db")},
            "web": {"listen": f"127.0.0.1:{page}"},
            "log": {"level": "warning"},
        }
    )


def _free_page_port() -> int:
    for port in (_USUAL_PAGE_PORT, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise DemoError("no port is free on 127.0.0.1")


def _serves(page: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError), opener.open(page, timeout=5) as answer:
        return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's fine
    return False
