"""Runs the command line as its users do: as a process."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from zkbridge.simulator import SimulatedTerminal

_PATIENCE_S: Final = 60.0
_ROOT: Final = Path(__file__).parents[2]
# What would act on a screen: controls but line ends, and what overrides direction.
ACTS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a command."""

    code: int
    out: str
    err: str


def _environment(changes: dict[str, str] | None) -> dict[str, str]:
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("ZK")}
    return inherited | {"PYTHONPATH": str(_ROOT), "COLUMNS": "200"} | (changes or {})


def command(*arguments: str) -> list[str]:
    """The command line of one command."""
    return [sys.executable, "-m", "zkbridge", *arguments]


def zkbridge(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Result:
    """Run one command to its end."""
    done = subprocess.run(  # noqa: S603 - our own command line
        command(*arguments),
        capture_output=True,
        timeout=_PATIENCE_S,
        cwd=cwd,
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def asked(what: str, terminal: SimulatedTerminal, *arguments: str) -> Result:
    """Run one command that asks a terminal."""
    return zkbridge(what, terminal.host, "--port", str(terminal.port), *arguments)


def on_a_screen(*arguments: str) -> Result:
    """Run one command whose output and errors go to a terminal emulator, together."""
    screen, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own command line
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=_environment({"TERM": "xterm"}),
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the emulator's other end is closed
            while part := os.read(screen, 65536):
                shown += part
        code = process.wait(_PATIENCE_S)
    os.close(screen)
    return Result(code, shown.decode(), "")


class Program:
    """A command that goes on until it is stopped."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(env),
        )
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def line(self) -> str:
        """Wait for the next line of its output."""
        stream = self._process.stdout
        if stream is None:
            raise RuntimeError("no output")
        end = time.monotonic() + _PATIENCE_S
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([stream], [], [], max(0.0, end - time.monotonic()))
            part = os.read(stream.fileno(), 65536) if ready else b""
            if not part:
                raise TimeoutError(f"no further line; so far {self._buffer!r}")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def line_with(self, text: str) -> str:
        """Wait for a line that holds something."""
        while text not in (line := self.line()):
            pass
        return line

    def stop(self, how: signal.Signals = signal.SIGINT) -> Result:
        """Stop it, and tell what else it said."""
        self._process.send_signal(how)
        out, err = self._process.communicate(timeout=_PATIENCE_S)
        return Result(self._process.returncode, (self._buffer + out).decode(), err.decode())

    def wait(self) -> Result:
        """Wait until it ends by itself."""
        out, err = self._process.communicate(timeout=_PATIENCE_S)
        return Result(self._process.returncode, (self._buffer + out).decode(), err.decode())
