"""Customer and product filters: `<n>4711</n><n>4712</n>`, kept in one canonical text.

Source: interface documentation, fields CustomerFilter and CatProdFilter.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, unescape

from soap_service.domain.faults import bad_format, bad_value

# (tag, value) in the order given, each pair once.
Filter = tuple[tuple[str, str], ...]

CUSTOMER_TAGS = {"i": "user index", "n": "customer number"}
PRODUCT_TAGS = {"ci": "category index", "pi": "product index", "pn": "product number"}
_INDEX_TAGS = frozenset({"i", "ci", "pi"})

_ENTRY = re.compile(r"\s*<([a-z]{1,2})>([^<>]*)</\1\s*>")
_REFERENCES = {"&quot;": '"', "&apos;": "'", "&#13;": "\r"}


def read_filter(field: str, text: str, tags: dict[str, str]) -> Filter:
    """The entries of a filter text; ES012 when it holds anything but the given tags around values."""
    expected = "entries such as " + " or ".join(f"<{tag}>{what}</{tag}>" for tag, what in tags.items())
    entries: dict[tuple[str, str], None] = {}
    text = text.strip()
    position = 0
    while position < len(text):
        match = _ENTRY.match(text, position)
        if not match or match[1] not in tags:
            raise bad_format(field, expected)
        value = unescape(match[2], _REFERENCES).strip()
        if not value or (match[1] in _INDEX_TAGS and not re.fullmatch(r"[0-9]{1,18}", value)):
            raise bad_format(field, expected)
        entries[match[1], value] = None
        position = match.end()
    return tuple(entries)


def check_customer_filter(field: str, entries: Filter) -> Filter:
    """Either user indexes or customer numbers; both are ES021 (interface documentation, CustomerFilter)."""
    if len({tag for tag, _ in entries}) > 1:
        raise bad_value(field, "either user indexes <i> or customer numbers <n>, not both")
    return entries


def write_filter(entries: Filter) -> str:
    """The canonical text, entries in the order given."""
    return "".join(f"<{tag}>{escape(value, {chr(13): '&#13;'})}</{tag}>" for tag, value in entries)
