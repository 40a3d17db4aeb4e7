"""Text content of XML."""

from __future__ import annotations

from collections.abc import Sequence


def escape(text: str) -> str:
    """Text that a parser reads back as the same text, on one line.

    A carriage return must be a reference for the one, a newline for the other (contract, section 1, "Wire").
    """
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#13;")
    if "\n" in text:
        text = text.replace("\n", "&#10;")
    return text


def escape_all(texts: Sequence[str]) -> Sequence[str]:
    """Each of the texts escaped; when nothing needs it, which one look at all of them tells, they themselves."""
    joined = "".join(texts)
    return texts if escape(joined) is joined else [escape(text) for text in texts]
