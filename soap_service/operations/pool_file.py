"""Reading import files: CSV with a header, or the vendor's one number a line; streaming, a line at a time.

What is wrong with one line refuses that line; what is wrong with the file as a whole raises UnreadableFile.
The columns are called as on the wire (docs/cli.md, "pool import").
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from soap_service.domain.terms import BY_WIRE
from soap_service.operations.refusal import Refused

NUMBER = "Number"
DELIMITERS = (",", ";", "\t")
# A line, or a record with line breaks inside quotes: characters. What a longer one swallows is refused as one.
LONGEST_RECORD = 131_072

# A first line that only looks like a header must not become a voucher.
_HEADER_LIKE = {name.casefold() for name in BY_WIRE} | {
    "number",
    "numbers",
    "num",
    "code",
    "codes",
    "voucher",
    "vouchers",
    "vouchernumber",
    "vouchercode",
    "nummer",
    "gutschein",
    "gutscheine",
    "gutscheinnummer",
    "gutscheincode",
}

# Line number, voucher number, texts of the file's columns.
Line = tuple[int, str, tuple[str, ...]]
RefuseLine = Callable[[int, str], None]


class UnreadableFile(Refused):
    """The file as a whole cannot be read as what it was said to be."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file is to be read. `delimiter` and `header` None: find out by the first line."""

    delimiter: str | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    ignore_unknown: bool = False


class PoolFile:
    """An import file. `columns` are the terms fields it has, by wire name, in its order."""

    def __init__(self, source: BinaryIO, form: FileFormat) -> None:
        """Reads the first line. Raises UnreadableFile for an unknown encoding, an empty file, a bad header."""
        self._form = form
        self._encoding, stream = _decoded(source, form.encoding)
        self._feed = _Feed(stream, self._encoding)
        self._first: str | None = None
        self.columns: tuple[str, ...] = ()
        self.delimiter = form.delimiter or ","
        self.has_header = False
        with _whole_file(self._encoding):
            self._begin()

    def lines(self, refuse: RefuseLine) -> Iterator[Line]:
        """The lines that hold a number, blank ones left out; bad ones go to `refuse` with the reason.

        Raises UnreadableFile when the file turns out not to be in its encoding.
        """
        with _whole_file(self._encoding):
            yield from self._records(refuse) if self.has_header else self._numbers(refuse)

    def _begin(self) -> None:
        try:
            first = next((line for line in self._feed if line.strip()), None)
        except _BadLine as bad:
            raise UnreadableFile(f"line {self._feed.line}: {bad}") from None
        if first is None:
            raise UnreadableFile(f"the file is empty: expected a header with {NUMBER}, or one number a line")
        expected = True if self._form.delimiter else self._form.header  # who names a delimiter has columns
        if self._form.header is False or (expected is None and self._is_lone_number(first)):
            self._first = first
            return
        self.has_header = True
        self.delimiter, names = self._header(first)
        self._width = len(names)
        self._number = names.index(NUMBER)
        self._wanted = [index for index, name in enumerate(names) if name in BY_WIRE]
        self.columns = tuple(names[index] for index in self._wanted)

    def _is_lone_number(self, first: str) -> bool:
        if any(delimiter in first for delimiter in DELIMITERS):
            return False
        text = _unquoted(first)
        if text != NUMBER and text.casefold() in _HEADER_LIKE:
            raise UnreadableFile(
                f"the first line looks like a header without {NUMBER}, the column of the voucher numbers "
                "(if it is a number, say that there is no header)"
            )
        return text != NUMBER

    def _header(self, first: str) -> tuple[str, list[str]]:
        found: list[tuple[str, list[str]]] = []
        for delimiter in (self._form.delimiter,) if self._form.delimiter else DELIMITERS:
            try:
                names = next(csv.reader([first], delimiter=delimiter, strict=True, skipinitialspace=True))
            except csv.Error:
                continue
            names = [name.strip() for name in names]
            if NUMBER in names:
                found.append((delimiter, names))
        if not found:
            raise UnreadableFile(
                f"the first line is no header with the column {NUMBER}, separated by comma, semicolon or tab; "
                "a file without a header has one number a line"
            )
        delimiter, names = max(found, key=lambda candidate: len(candidate[1]))
        unknown = [_short(name) or "(no name)" for name in names if name != NUMBER and name not in BY_WIRE]
        if unknown and not self._form.ignore_unknown:
            raise UnreadableFile(
                f"unknown columns: {', '.join(unknown)}; known are {', '.join((NUMBER, *BY_WIRE))}"
            )
        twice = sorted({name for name in names if names.count(name) > 1 and (name == NUMBER or name in BY_WIRE)})
        if twice:
            raise UnreadableFile(f"columns that are there twice: {', '.join(twice)}")
        return delimiter, names

    def _records(self, refuse: RefuseLine) -> Iterator[Line]:
        feed, width, number, wanted = self._feed, self._width, self._number, self._wanted
        reader = csv.reader(feed, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        while True:
            start = feed.begin_record()
            try:
                row = next(reader)
            except StopIteration:
                return
            except (csv.Error, _BadLine) as bad:
                last = f" (up to line {feed.line})" if feed.line > start else ""
                refuse(start, f"{_said(bad)}{last}")
                continue
            if len(row) != width:
                if any(cell.strip() for cell in row):
                    refuse(start, f"{len(row)} fields where the header has {width}")
                continue
            code = row[number].strip()
            if code:
                yield start, code, tuple([row[index] for index in wanted])
            elif any(cell.strip() for cell in row):
                refuse(start, f"{NUMBER}: a value is missing")

    def _numbers(self, refuse: RefuseLine) -> Iterator[Line]:
        feed = self._feed
        line, self._first = self._first, None
        start = feed.line
        while True:
            if line is not None and (code := _unquoted(line)):
                yield start, code, ()
            start = feed.begin_record()
            try:
                line = next(feed)
            except StopIteration:
                return
            except _BadLine as bad:
                line = None
                refuse(start, str(bad))


class _BadLine(Exception):
    """One line cannot be read; the next one can."""


class _Feed:
    """Lines for the csv reader, each and all of one record of bounded length. `line`: how many were read."""

    def __init__(self, stream: io.TextIOWrapper, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._room = LONGEST_RECORD
        self.line = 0

    def begin_record(self) -> int:
        """Make room for the next record and return the number of its first line."""
        self._room = LONGEST_RECORD
        return self.line + 1

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._room + 1)
        if not line:
            raise StopIteration
        self.line += 1
        if len(line) > self._room:
            while line and not line.endswith("\n"):
                line = self._stream.readline(LONGEST_RECORD)
            raise _BadLine(f"longer than {LONGEST_RECORD} characters, or a quote that does not end")
        self._room -= len(line)
        if not line.isascii() and _has_bad_bytes(line):
            raise _BadLine(f"not valid {self._encoding}: the file may have another encoding")
        return line


def _has_bad_bytes(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return True
    return False


def _decoded(source: BinaryIO, encoding: str) -> tuple[str, io.TextIOWrapper]:
    """The name of the encoding, and the text. Bad bytes become lone surrogates, to refuse only their line."""
    try:
        name = codecs.lookup(encoding).name
        with_mark = "utf-8-sig" if name == "utf-8" else name
        return name, io.TextIOWrapper(source, with_mark, errors="surrogateescape", newline=None)
    except (LookupError, ValueError):
        raise UnreadableFile(
            f"the encoding {_short(encoding)!r} is unknown: expected one such as utf-8, cp1252 or utf-16"
        ) from None


@contextmanager
def _whole_file(encoding: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError:
        raise UnreadableFile(f"the file is not {encoding}: name the encoding it has") from None


def _unquoted(line: str) -> str:
    text = line.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def _short(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:64])


def _said(bad: Exception) -> str:
    return str(bad) if isinstance(bad, _BadLine) else f"not valid CSV: {bad}"
