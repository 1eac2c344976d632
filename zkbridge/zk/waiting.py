"""Waiting for a socket, and ending that wait from another thread; on every system with sockets."""

import select
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from struct import Struct
from threading import Lock
from typing import Final, Protocol

_TIMEVAL: Final = Struct("@ll")


class Ready(Protocol):
    """Waits for a descriptor; see ``polled``."""

    def __call__(
        self, number: int, others: Iterable[int], timeout_s: float, *, writing: bool = False
    ) -> bool:
        """Tell whether it got ready."""


def give_up_soon(sock: socket.socket, seconds: float) -> None:
    """Let calls on a socket end after so long: ``TimeoutError`` or ``BlockingIOError``.

    Where the kernel counts the time, each is one system call instead of two.
    """
    if sys.platform == "linux":  # elsewhere connecting is not bounded so, or not at all
        limit = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        except OSError:
            pass  # times of another size
        else:
            return
    sock.settimeout(seconds)


class Alarm:
    """Ends a wait from any thread; costs no file descriptor until somebody waits for long."""

    def __init__(self) -> None:
        self._pair: tuple[socket.socket, socket.socket] | None = None
        # It may be raised while it is being taken down, and its descriptor's number reused.
        self._lock = Lock()
        self.raised = False

    def fileno(self) -> int:
        """Return the descriptor that is readable while the alarm is raised."""
        with self._lock:
            if self._pair is None:
                self._pair = socket.socketpair()
                for end in self._pair:
                    end.settimeout(0)
                if self.raised:
                    self._pair[1].send(b"!")
            return self._pair[0].fileno()

    def ring(self) -> None:
        """Raise it; callable from any thread."""
        with self._lock:
            self.raised = True
            if self._pair is not None:
                with suppress(BlockingIOError):
                    self._pair[1].send(b"!")

    def still(self) -> None:
        """Take it back."""
        with self._lock:
            self.raised = False
            if self._pair is not None:
                with suppress(BlockingIOError):
                    while self._pair[0].recv(64):
                        pass

    def close(self) -> None:
        """Close what was opened; a raised alarm stays raised."""
        if self._pair is None:
            return  # only the waiting thread opens them
        with self._lock:
            pair, self._pair = self._pair, None
        for end in pair:
            end.close()


def polled(number: int, others: Iterable[int], timeout_s: float, *, writing: bool = False) -> bool:
    """Wait for a descriptor with ``poll``, whatever its number.

    Args:
        number: What is waited for.
        others: Descriptors that end the wait by being readable.
        timeout_s: How long; 0 only looks.
        writing: Wait until ``number`` can be written instead of read.

    Returns:
        Whether ``number`` is ready, or broken: using it tells.
    """
    poll = select.poll()
    poll.register(number, select.POLLOUT if writing else select.POLLIN)
    for other in others:
        poll.register(other, select.POLLIN)
    return any(ready == number for ready, _ in poll.poll(max(0.0, timeout_s) * 1000))


def selected(
    number: int, others: Iterable[int], timeout_s: float, *, writing: bool = False
) -> bool:
    """Wait for a descriptor with ``select``, where there is no ``poll``; see ``polled``."""
    readers = [*others] if writing else [number, *others]
    writers = [number] if writing else []
    # A refused connection is an exceptional condition on Windows, and nothing else.
    can_read, can_write, failed = select.select(readers, writers, writers, max(0.0, timeout_s))
    return number in (*can_read, *can_write, *failed)


until_ready: Final[Ready] = polled if hasattr(select, "poll") else selected
