"""Invented names, ids and numbers in place of real ones: same length, same kind, consistent.

The same original gets the same pseudonym within one capture and another one in the next. No I/O.
"""

import random
import secrets
from typing import Final

_DIGITS: Final = b"0123456789"
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# One range of letters for each length in UTF-8; what lies there is no name.
_WIDE: Final = {2: (0x430, 0x44F), 3: (0x4E00, 0x9F00), 4: (0x20000, 0x2A000)}
_HIGH: Final = 0x80
_TRIES: Final = 200
_TELLING: Final = 4  # shorter texts are part of many words
_SMALL_ID: Final = 4  # digits, up to which all ids of a length may be in use


class Pseudonyms:
    """The pseudonyms of one capture.

    Args:
        seed: Fixes them, for tests; None: nobody can foretell or undo them.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = (
            secrets.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - tests
        )
        self._ids: dict[bytes, bytes] = {}
        self._taken: set[bytes] = set()
        self._texts: dict[bytes, bytes] = {}
        self._cards: dict[int, int] = {}

    def user_id(self, original: bytes) -> bytes:
        """Replace a user id; leading zeros stay, and different ids stay different."""
        if not original.strip(b"0"):
            return original
        if original.isdigit() and original.startswith(b"0"):
            # Layouts that store numbers do not have the zeros: it is the same person.
            significant = original.lstrip(b"0")
            return original[: -len(significant)] + self.user_id(significant)
        known = self._ids.get(original)
        if known is None:
            known = self._unused(original)
            self._ids[original] = known
            self._taken.add(known)
        return known

    def number(self, original: int, largest: int) -> int:
        """Replace a user id that is stored as a number; consistent with :meth:`user_id`."""
        replaced = int(self.user_id(b"%d" % original))
        return replaced if replaced <= largest else original % 10 + 1

    def text(self, original: bytes) -> bytes:
        """Replace a name or another text."""
        known = self._texts.get(original)
        if known is None:
            known = self._invented(original)
            for _ in range(_TRIES):
                if known != original:
                    break
                known = self._invented(original)
            self._texts[original] = known
        return known

    def scrubbed(self, text: bytes) -> bytes:
        """Replace in a text that names nobody whatever has a pseudonym by now, if it does."""
        for known in (self._ids, self._texts):
            for original, replaced in known.items():
                if len(original) >= _TELLING:
                    text = text.replace(original, replaced)
        return text

    def field(self, original: bytes, *, is_id: bool = False) -> bytes:
        """Replace the text of a fixed field; what stands behind its end is blanked."""
        text, _, _ = original.partition(b"\0")
        replaced = self.user_id(text) if is_id else self.text(text)
        return replaced.ljust(len(original), b"\0")

    def noise(self, original: bytes) -> bytes:
        """Replace bytes that must not be guessed from."""
        return self._random.randbytes(len(original))

    def card(self, original: int) -> int:
        """Replace a card number; no card stays none."""
        if original and original not in self._cards:
            self._cards[original] = self._random.randrange(1, 1 << 24)
        return self._cards.get(original, 0)

    def _unused(self, original: bytes) -> bytes:
        zeros = len(original) - len(original.lstrip(b"0"))
        invented = original
        for _ in range(_TRIES):
            invented = original[:zeros] + self._invented(original[zeros:], leading=True)
            if invented not in self._taken and invented != original:
                return invented
        return self._free_number(original) or invented

    def _free_number(self, original: bytes) -> bytes | None:
        # Where nearly all ids of a length are in use: any free one, and it may be its own.
        significant = original.lstrip(b"0")
        if not significant.isdigit() or len(significant) > _SMALL_ID:
            return None
        zeros = original[: len(original) - len(significant)]
        numbers = range(10 ** (len(significant) - 1), 10 ** len(significant))
        return next((i for i in (zeros + b"%d" % n for n in numbers) if i not in self._taken), None)

    def _invented(self, original: bytes, *, leading: bool = False) -> bytes:
        try:
            characters = [character.encode() for character in original.decode()]
        except UnicodeDecodeError:
            characters = [bytes([byte]) for byte in original]
        replaced = bytearray()
        for place, character in enumerate(characters):
            replaced += self._character(character, first=leading and place == 0)
        return bytes(replaced)

    def _character(self, character: bytes, *, first: bool) -> bytes:
        if len(character) > 1:
            low, high = _WIDE[len(character)]
            return chr(self._random.randrange(low, high)).encode()
        for alphabet in (_DIGITS, _LOWER, _UPPER):
            if character in alphabet:
                choice = alphabet[1:] if first and alphabet is _DIGITS else alphabet
                return bytes([self._random.choice(choice)])
        if character[0] >= _HIGH:
            return bytes([self._random.randrange(0xC0, 0xFF)])
        return character
