"""What a trouble of a terminal means and what helps against it, in words for people.

One source for the page, the doctor, the log and Home Assistant. Texts only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from zkbridge.events import Trouble


@dataclass(frozen=True, slots=True)
class Advice:
    """One trouble in words.

    Attributes:
        text: What is wrong, as a sentence without a full stop.
        cure: What to do about it, one or two sentences.
    """

    text: str
    cure: str


TROUBLES: Final[Mapping[Trouble, Advice]] = MappingProxyType(
    {
        Trouble.UNREACHABLE: Advice(
            "The terminal does not answer",
            "Check that it is powered and on the network, that its address has not changed and"
            " that port 4370 is not blocked. It is tried again at least once a minute.",
        ),
        Trouble.AUTH_FAILED: Advice(
            "The terminal refuses the comm key",
            "Look at Comm. > PC Connection > Comm Key in the terminal's menu and set comm_key to"
            " the same number. It is tried again every 10 minutes.",
        ),
        Trouble.BUSY: Advice(
            "The terminal is busy with another program or in its menu",
            "Leave the terminal's menu, or close other software that is connected to it; some"
            " models serve one connection at a time (session: per_poll shares it).",
        ),
        Trouble.PROTOCOL: Advice(
            "The terminal's answers make no sense",
            "Restart the terminal. If it stays like this, record a session with"
            " `zkbridge capture` and report it: the recording is anonymised.",
        ),
        Trouble.UNSUPPORTED: Advice(
            "The terminal refuses something that is needed to read its log",
            "Its firmware may not offer this. `zkbridge check` shows which reads work; a firmware"
            " update may help.",
        ),
        Trouble.ENCRYPTED: Advice(
            "The terminal's firmware talks encrypted only",
            "Switch off the secure communication in its menu where it has one, or ask the dealer"
            " for firmware without it. It is tried again every 10 minutes.",
        ),
        Trouble.NOT_A_TERMINAL: Advice(
            "What answers there is not an attendance terminal",
            "Check host and port: another device or a push-protocol service may have that address.",
        ),
        Trouble.DUPLICATE_TERMINAL: Advice(
            "Two configured terminals are the same device",
            "Remove one of the two entries, or correct its address.",
        ),
        Trouble.STORE_FULL: Advice(
            "The disk is full, so nothing new can be stored",
            "Free disk space. Nothing is lost: the terminal keeps its log and reading goes on"
            " by itself.",
        ),
        Trouble.CLOCK_WRONG: Advice(
            "The terminal's clock is wrong",
            "Set date and time in the terminal's menu, and check the timezone option. Punches"
            " carry the terminal's time, so they are wrong until then.",
        ),
    }
)


def advice(trouble: Trouble | None) -> Advice | None:
    """Return the words for a trouble; None where there is none.

    >>> advice(Trouble.AUTH_FAILED).text
    'The terminal refuses the comm key'
    """
    return None if trouble is None else TROUBLES[trouble]
