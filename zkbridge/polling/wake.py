"""What every wait of a worker listens to, so that stopping wakes all of them."""

import os
import select
import threading


class Wake:
    """A flag that threads can set and one thread can wait for, together with a socket.

    Attributes:
        fd: Becomes readable when the flag is set.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False
        self.fd = self._read

    def set(self) -> None:
        """Wake the waiting thread; any thread, cheap, never blocks."""
        with self._lock:
            if not self._closed:
                try:
                    os.write(self._write, b"\0")
                except BlockingIOError:
                    return  # the pipe is full: it is awake already

    def clear(self) -> None:
        """Take back the flag."""
        with self._lock:
            if not self._closed:
                try:
                    while os.read(self._read, 4096):
                        pass
                except BlockingIOError:
                    return

    def wait(self, timeout_s: float) -> bool:
        """Wait for the flag; True when it was set."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def close(self) -> None:
        """Give the descriptors back; nothing may wait any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._read)
                os.close(self._write)
