"""A session with a terminal: connection, options, the SDK handshake, and putting it back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Final

from zkbridge.zk.bulk import Reply, check_session, gather
from zkbridge.zk.codecs import decode_option
from zkbridge.zk.errors import ZKError, ZKNotSupported, ZKProtocolError
from zkbridge.zk.opcodes import (
    CMD_ACK_OK,
    CMD_OPTIONS_RRQ,
    CMD_OPTIONS_WRQ,
    CMD_REFRESHDATA,
    READ_COMMANDS,
)
from zkbridge.zk.transport import Transport

SDK_BUILD: Final = "SDKBuild"
SERIAL: Final = "~SerialNumber"
CAPABILITIES: Final = (
    SERIAL,
    "FirmVer",
    "~Platform",
    "~DeviceName",
    "MAC",
    "~OEMVendor",
    "~ZKFPVersion",
    "ZKFaceVersion",
    "FingerFunOn",
    "FaceFunOn",
    "~PIN2Width",
)
_SDK_ON: Final = "1"
_SDK_DEFAULT: Final = "0"
_MAX_OPTION: Final = 200  # longer than any that is known


class Session:
    """The life of one session, and access to the terminal's options.

    Args:
        transport: What to ask through.

    Attributes:
        transport: The same.
        handshake_done: The terminal was told that an SDK talks to it.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.handshake_done = False
        self._original: str | None = None
        self._is_open = False

    # --- life ---

    def open(self, *, handshake: bool = True) -> None:
        """Connect and perform the SDK handshake; nothing stays open when that fails.

        Args:
            handshake: False leaves the terminal's option alone.
        """
        try:
            self.transport.connect()
            self._is_open = True
            if handshake:
                self.handshake()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Restore the handshake option and disconnect; harmless when already closed."""
        try:
            if self._is_open and self._original is not None:
                with self.transport.hurried(), suppress(ZKError):
                    self.restore()
        finally:
            self._is_open = False
            self.handshake_done = False
            self.transport.disconnect()

    # --- the one thing that is written ---

    @property
    def original(self) -> str | None:
        """Value that the handshake option must get back; None when nothing must."""
        return self._original

    def handshake(
        self, original: str | None = None, *, remember: Callable[[str], None] | None = None
    ) -> str | None:
        """Tell the terminal that an SDK talks to it; it may refuse reads otherwise.

        The vendor's SDK writes the option and no more; a terminal that has it set already, or
        refuses it, is left as it is.

        Args:
            original: What it was before a session that never put it back.
            remember: Called with the value to put back, before anything is written.

        Returns:
            The value that ``restore`` will write; None when nothing was changed.

        Source: protocol.md 2.3, captured.
        """
        if original is not None:
            self._original = original
        current = self.read_option(SDK_BUILD)
        if current == _SDK_ON:
            self.handshake_done = True
            if self._original == _SDK_ON:
                self._original = None
            return self._original
        value = current or _SDK_DEFAULT
        if remember is not None:
            remember(value)
        # Set before writing: a lost answer does not mean that nothing was written.
        self._original = value
        reply = self._ask(CMD_OPTIONS_WRQ, _assignment(SDK_BUILD, _SDK_ON))
        self.handshake_done = reply.code == CMD_ACK_OK
        if not self.handshake_done:
            self._original = None
        return self._original

    def restore(self) -> None:
        """Put the handshake option back to what it was.

        Raises:
            ZKError: It could not be; ``original`` keeps the value for the next time.
        """
        if self._original is None:
            return
        reply = self._ask(CMD_OPTIONS_WRQ, _assignment(SDK_BUILD, self._original))
        if reply.code != CMD_ACK_OK:
            raise ZKNotSupported("restoring SDKBuild", reply.code)
        self._original = None
        self.handshake_done = False

    # --- options ---

    def read_option(self, name: str) -> str | None:
        """Read one option; None where the terminal does not have it.

        Raises:
            ZKProtocolError: The name is no option name, or the session is gone.
        """
        reply = self._ask(CMD_OPTIONS_RRQ, _option_name(name) + b"\0")
        if reply.code != CMD_ACK_OK:
            return None
        return decode_option(reply.tail) or None

    def write_option(self, name: str, value: str) -> None:
        """Write an option and let the terminal take it up.

        Nothing in this package calls it; the terminal is only ever read.

        Raises:
            ZKNotSupported: The terminal refuses.
        """
        for command, data in (
            (CMD_OPTIONS_WRQ, _assignment(name, value)),
            (CMD_REFRESHDATA, b""),
        ):
            reply = self._ask(command, data)
            if reply.code != CMD_ACK_OK:
                raise ZKNotSupported(f"writing option {name}", reply.code)

    def capabilities(self) -> dict[str, str]:
        """Read the options that tell what a terminal is; those that it has."""
        values = ((name, self.read_option(name)) for name in CAPABILITIES)
        return {name: value for name, value in values if value}

    # --- commands ---

    def request(self, command: int, data: bytes = b"") -> Reply:
        """Send a command that reads, and put its answer together.

        Raises:
            ZKNotSupported: The command is not one that only reads.
            ZKProtocolError: The terminal has forgotten the session.
        """
        if command not in READ_COMMANDS:
            raise ZKNotSupported(f"command {command}, which is not known to only read,", 0)
        return self._ask(command, data)

    def _ask(self, command: int, data: bytes = b"") -> Reply:
        reply = gather(self.transport.capture(command, data))
        check_session(reply.code)
        return reply

    @contextmanager
    def opened(self, *, handshake: bool = True) -> Iterator["Session"]:
        """Open for the length of a with-block."""
        self.open(handshake=handshake)
        try:
            yield self
        finally:
            self.close()


@lru_cache(maxsize=64)
def _option_name(name: str) -> bytes:
    encoded = name.encode("utf-8", "replace")
    if not encoded or len(encoded) > _MAX_OPTION or b"\0" in encoded or b"=" in encoded:
        raise ZKProtocolError(f"{name!r} is no option name")
    return encoded


def _assignment(name: str, value: str) -> bytes:
    return _option_name(name) + b"=" + value.encode("utf-8", "replace").replace(b"\0", b"") + b"\0"
