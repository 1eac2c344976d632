"""What can go wrong with a terminal, as one tree of exceptions.

The type tells the caller what to do; nobody parses messages. No other exception leaves
``zkbridge.zk``.
"""


class ZKError(Exception):
    """Base of every error of this package; catch it to handle any failure."""


class ZKUnreachable(ZKError):
    """The terminal's socket cannot be reached, or went away (timeout, refused, reset)."""


class ZKBusy(ZKUnreachable):
    """The terminal accepts the connection but answers nothing: another client holds it.

    Source: protocol.md 14 (one TCP client at a time; the second one times out).
    """


class ZKAuthFailed(ZKError):
    """The terminal refused the connection or the comm key."""


class ZKProtocolError(ZKError):
    """What arrived is malformed: bad magic, truncated, out of step, or sizes that disagree."""


class ZKNotATerminal(ZKProtocolError):
    """Something answers at the address, but it does not speak this protocol.

    Source: protocol.md 14 (access panels of the C3 and inBio series share port 4370).
    """


class ZKNotSupported(ZKError):
    """The terminal says that it does not know a command, or refuses it.

    Attributes:
        function: Name of the requested function.
        response_code: The reply code the terminal gave instead.
    """

    def __init__(self, function: str, response_code: int) -> None:
        super().__init__(f"{function} is not supported by this terminal (reply {response_code})")
        self.function = function
        self.response_code = response_code


class ZKEncrypted(ZKNotSupported):
    """Secure firmware that refuses plain sessions.

    Source: protocol.md 15, a single report; unproven.
    """
