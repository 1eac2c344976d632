"""The bridge as users run it: a process with a configuration file."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml

from zkbridge.simulator import SimulatedTerminal

_START_S = 30.0


def terminal_options(terminal: SimulatedTerminal, **changes: object) -> dict[str, Any]:
    """Return the configuration of a simulated terminal: quick polls, short timeouts."""
    return {
        "name": "Front door",
        "host": terminal.host,
        "port": terminal.port,
        "timezone": "UTC",
        "poll_interval": 1,
        "timeout": 2,
    } | changes


class BridgeProcess:
    """``zkbridge run`` as a process of its own."""

    def __init__(
        self, folder: Path, broker_port: int, *terminals: dict[str, Any], **sections: object
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config_path = folder / "config.yaml"
        self.options: dict[str, Any] = {
            "mqtt": {"host": "127.0.0.1", "port": broker_port},
            "terminals": list(terminals),
            "store": {"path": str(folder / "zkbridge.db")},
            "web": {"enabled": False},
            "log": {"level": "debug"},
        }
        for name, section in sections.items():
            inner = self.options.get(name)
            if isinstance(inner, dict) and isinstance(section, dict):
                inner.update(section)
            else:
                self.options[name] = section
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process, for signals."""
        if self._process is None:
            raise RuntimeError("the bridge is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "bridge.log").read_text(errors="replace")

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [sys.executable, "-m", "zkbridge", "run", "-c", str(self.config_path)]

    @property
    def environ(self) -> dict[str, str]:
        """In which environment."""
        return os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}

    def write_config(self) -> None:
        """Write the configuration file."""
        self.config_path.write_text(yaml.safe_dump(self.options))

    def start(self, *, prefix: tuple[str, ...] = ()) -> None:
        """Start it; returns at once."""
        self.write_config()
        with (self.folder / "bridge.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [*prefix, *self.command],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environ,
            )

    def wait_log(self, text: str, *, count: int = 1) -> None:
        """Wait until it has said something."""
        self.wait_until(lambda: self.log.count(text) >= count, f"{text!r} in the log")

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait for a condition while the process runs."""
        end = time.monotonic() + _START_S
        while not reached():
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"the bridge ended before {what}: {self.log}")
            if time.monotonic() > end:
                raise TimeoutError(f"no {what}: {self.log}")
            threading.Event().wait(0.02)

    def reload(self) -> None:
        """Let it read its configuration again."""
        self.write_config()
        os.kill(self.pid, signal.SIGHUP)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._end(signal.SIGKILL)

    def signal_stop(self) -> None:
        """Ask it to end; returns at once."""
        os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> int | None:
        """End it in order; returns its exit code."""
        return self._end(signal.SIGTERM)

    def wait(self, timeout_s: float = _START_S) -> int:
        """Wait until it ends by itself; returns its exit code."""
        if self._process is None:
            raise RuntimeError("the bridge is not running")
        code = self._process.wait(timeout_s)
        self._process = None
        return code

    def _end(self, how: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            return process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
