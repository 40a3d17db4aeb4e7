"""What operators are refused, where the wire has no fault for it."""

from __future__ import annotations


class Refused(Exception):
    """What was asked cannot be done, and nothing was changed; the message says what would have been right."""


LONGEST_NAME = 255


def check_name(what: str, name: str) -> str:
    """A name that a caller can send as it is: 1 to 255 visible characters, no blanks around. Else Refused."""
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise Refused(f"{what}: expected 1 to {LONGEST_NAME} printable characters without blanks around them")
    return name
