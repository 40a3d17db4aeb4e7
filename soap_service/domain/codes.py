"""Voucher codes: what the customer types.

Four groups of four from 32 letters without look-alikes: 80 bits from the operating system's random source
(contract, section 3, "Codes").
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
GROUPS = 4
GROUP_LENGTH = 4
_LETTERS = GROUPS * GROUP_LENGTH
_LENGTH = _LETTERS + GROUPS - 1
# Where letters stand: everywhere but between two groups.
_POSITIONS = tuple(p for p in range(_LENGTH) if p % (GROUP_LENGTH + 1) != GROUP_LENGTH)

RandomBytes = Callable[[int], bytes]


class CodeSpaceExhausted(RuntimeError):
    """So many drawn codes were alike that the alphabet must be too small, or the random source broken."""


class CodeMaker:
    """Draws batches of distinct codes; one call to the random source and one table look-up a batch."""

    def __init__(self, alphabet: str = ALPHABET, random_bytes: RandomBytes = token_bytes) -> None:
        """`alphabet`: distinct ASCII letters, a power of two of them, so that every letter is equally likely."""
        size = len(alphabet)
        if size & (size - 1) or not 2 <= size <= 256 or len(set(alphabet)) != size or not alphabet.isascii():
            raise ValueError("alphabet must be 2, 4, 8 ... 256 distinct ASCII letters")
        self._table = bytes(alphabet.encode()[i % size] for i in range(256))
        self._random_bytes = random_bytes

    def __call__(self, count: int) -> list[str]:
        """`count` codes, no two alike. Raises CodeSpaceExhausted when that cannot be had."""
        codes: dict[str, None] = {}
        for _ in range(64):
            codes.update(dict.fromkeys(self._draw(count - len(codes))))
            if len(codes) == count:
                return list(codes)
        raise CodeSpaceExhausted(f"{count} distinct codes")

    def _draw(self, count: int) -> list[str]:
        # A whole batch at a time: each letter's column is copied between the dashes by one slice.
        letters = self._random_bytes(count * _LETTERS).translate(self._table)
        text = bytearray(b"-" * (count * _LENGTH))
        for column, position in enumerate(_POSITIONS):
            text[position::_LENGTH] = letters[column::_LETTERS]
        codes = text.decode("ascii")
        return [codes[start : start + _LENGTH] for start in range(0, count * _LENGTH, _LENGTH)]
