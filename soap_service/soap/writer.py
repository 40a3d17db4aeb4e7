"""Writing answers: functions compiled once from the declared messages, fed with plain mappings.

A message is a mapping from member names to texts, nested mappings or lists; what is missing or None is
omitted. Members come in declared order whatever the order of the mapping. `Xml` is content written already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from soap_service.soap.text import escape, escape_all

Write = Callable[[Any, list[str]], None]


class Xml(str):
    """Well-formed content that goes out as it is."""

    __slots__ = ()


class Writers:
    """The compiled writers of message types, each made on first use."""

    def __init__(self) -> None:
        self._of: dict[Any, Write] = {}

    def content(self, message: Any, value: Mapping[str, Any], without: Collection[str] = ()) -> str:
        """The content of an element of type `message`, its members `without` left out."""
        out: list[str] = []
        if without:
            self._compile(message, without)(value, out)
        else:
            self._writer(message)(value, out)
        return "".join(out)

    def _writer(self, message: Any) -> Write:
        writer = self._of.get(message)
        if writer is None:
            writer = self._of[message] = self._compile(message)
        return writer

    def _compile(self, message: Any, without: Collection[str] = ()) -> Write:
        members = [
            (name, self._member(name, kind)) for name, kind in message._type_info.items() if name not in without
        ]

        def write(value: Mapping[str, Any], out: list[str]) -> None:
            for name, write_member in members:
                part = value.get(name)
                if part is not None:
                    write_member(part, out)

        return write

    def _member(self, name: str, kind: Any) -> Write:
        opening, closing = f"<{name}>", f"</{name}>"
        if hasattr(kind, "_type_info"):
            inner = self._writer(kind)

            def write_one(value: Any, out: list[str]) -> None:
                out.append(opening)
                if isinstance(value, Xml):
                    out.append(value)
                else:
                    inner(value, out)
                out.append(closing)

        else:

            def write_one(value: Any, out: list[str]) -> None:
                out.append(opening)
                out.append(value if isinstance(value, Xml) else escape(value))
                out.append(closing)

        if kind.Attributes.max_occurs == 1:
            return write_one
        if not hasattr(kind, "_type_info"):
            return _texts(opening, closing)

        def write_each(values: Any, out: list[str]) -> None:
            for value in values:
                write_one(value, out)

        return write_each


def _texts(opening: str, closing: str) -> Write:
    """Writes a list of texts, a thousand codes say, in a few steps of the interpreter."""
    between = closing + opening

    def write(values: Sequence[str], out: list[str]) -> None:
        if values:
            out += (opening, between.join(escape_all(values)), closing)

    return write
