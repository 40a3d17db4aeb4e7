"""Text content of XML."""

from __future__ import annotations


def escape(text: str) -> str:
    """Text that a parser reads back as the same text; a carriage return must be a reference for that."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#13;")
    return text
