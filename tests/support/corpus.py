"""Corpus files: one raw HTTP request each, how it is sent, and what must be answered.

    # What it is, and who sends it.
    created: 2
    says: Amount=10.00
    body: gzip chunked
    ---
    POST /createvouchers HTTP/1.1
    Host: {host}
    Content-Length: {length}

    <S:Envelope …

Behind the comment come the verdict and the way of sending, one `name: value` a line, some of them repeatable:

- `created: N`: the call succeeds and makes N vouchers; `says: Field=text` and `lacks: Field` are about its
  answer, with `\\n` for a line end
- `fault: ES015`, or `MustUnderstand`; `field: Amount` is the field its detail names
- `status: 405`: the HTTP status, where it is not 200 for a success or 500 for a fault
- `soap: 1.2`: the version of the answer, where it is not 1.1
- `header: Name=value` and `without: Name` are about the HTTP headers; `ends: yes` is for a connection that the
  server closes behind its answer
- `body: a b c`: what is done to the body, in this order; see `CHANGES` and `NUMBERED_CHANGES`
- `head: escapes`: `\\xNN` in the head is that byte
- `then: end`: the client closes its side behind what it sent; `then: end within the head`: even earlier

In the head, line ends become CRLF; `{host}`, `{length}` (of the body as sent) and `{full}` (of the body
before it was changed) are filled in. The body is what follows the blank line, without the file's last line
end; `{documented}` stands for the interface documentation's own request.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "contract" / "corpus"
_DOCUMENTED = Path(__file__).parents[1] / "contract" / "golden" / "documented_request.xml"
_KEYS = {"created", "says", "lacks", "fault", "field", "status", "soap", "header", "without", "ends"} | {
    "body",
    "head",
    "then",
}


def _unescape(data: bytes) -> bytes:
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), data)


def _recode(encoding: str) -> Callable[[bytes], bytes]:
    return lambda data: data.decode().encode(encoding)


def _chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%X%b\r\n%b\r\n" % (len(data), extension, data)


def _chunked(data: bytes, size: int = 100, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    chunks = (_chunk(data[i : i + size], extension) for i in range(0, len(data), size))
    return b"".join([*chunks, b"0\r\n", trailer, b"\r\n"])


def _broken_chunks(size: bytes, end: bytes = b"\r\n", last: bytes = b"0\r\n\r\n") -> Callable[[bytes], bytes]:
    """A first chunk that is right, then one with this size line, its data, this end, and this last chunk."""
    return lambda data: _chunk(data[:20]) + size + b"\r\n" + data[20:30] + end + last


def _gzip_with_name(data: bytes) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile("request.xml", "wb", fileobj=packed, mtime=1_700_000_000) as file:
        file.write(data)
    return packed.getvalue()


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "escapes": _unescape,
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "latin-1": _recode("latin-1"),
    "cp1252": _recode("cp1252"),
    "utf-16": _recode("utf-16"),
    "utf-16-le": _recode("utf-16-le"),
    "utf-16-be": _recode("utf-16-be"),
    "utf-32": _recode("utf-32"),
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "gzip-with-name": _gzip_with_name,
    "zlib": zlib.compress,
    "chunked": _chunked,
    "chunked-by-bytes": lambda data: _chunked(data, 1),
    "chunked-with-extensions": lambda data: _chunked(data, 90, b';name="a;b";x', b"X-Check: 1\r\n"),
    "chunk-size-word": _broken_chunks(b"ten"),
    "chunk-size-negative": _broken_chunks(b"-A"),
    "chunk-size-prefix": _broken_chunks(b"0xA"),
    "chunk-size-empty": _broken_chunks(b""),
    "chunk-size-huge": _broken_chunks(b"FFFFFFFFFFFFFFFFF"),
    "chunk-terminator": _broken_chunks(b"A", end=b"XX"),
    "chunk-line-feed": _broken_chunks(b"A", last=b"0\r\nX: 1\n\r\n\r\n"),
    "chunk-trailer": _broken_chunks(b"A", last=b"0\r\nContent-Length: 5\r\n\r\n"),
    "half": lambda data: data[: len(data) // 2],
    "nothing": lambda _: b"",
}
NUMBERED_CHANGES: dict[str, Callable[[bytes, int], bytes]] = {
    "fill": lambda data, size: data + b" " * (size - len(data)),
    "cut": lambda data, count: data[:-count],
    "nulls": lambda data, count: data + b"\0" * count,
}


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(CORPUS).with_suffix("").as_posix()

    @cached_property
    def _parts(self) -> tuple[list[str], bytes, bytes]:
        about, _, message = self.path.read_bytes().partition(b"---\n")
        head, _, body = message.partition(b"\n\n")
        return about.decode().splitlines(), head, body.removesuffix(b"\n")

    @cached_property
    def rules(self) -> dict[str, list[str]]:
        """The lines of the verdict by name; a name that nobody knows is an error."""
        rules: dict[str, list[str]] = defaultdict(list)
        lines = [line for line in self._parts[0] if not line.startswith("#")]
        assert len(lines) < len(self._parts[0]), "a file says what it is"
        for line in lines:
            name, _, value = line.partition(": ")
            assert name in _KEYS, f"{self.name}: {name!r}"
            rules[name].append(value)
        assert {"created", "fault", "status"} & rules.keys(), "a file has a verdict"
        return rules

    def rule(self, name: str) -> str | None:
        values = self.rules.get(name, [None])
        assert len(values) == 1
        return values[0]

    def message(self, host: str) -> tuple[bytes, bytes]:
        """Head and body as they go over the wire."""
        _, head, body = self._parts
        if body == b"{documented}":
            body = _DOCUMENTED.read_bytes()
        full = len(body)
        for change in (self.rule("body") or "").split():
            name, _, number = change.rpartition("-")
            numbered = NUMBERED_CHANGES.get(name)
            body = numbered(body, int(number)) if numbered else CHANGES[change](body)
        text = head.replace(b"{host}", host.encode()).replace(b"{length}", b"%d" % len(body))
        text = text.replace(b"{full}", b"%d" % full).replace(b"\n", b"\r\n")
        if self.rule("head") == "escapes":
            text = _unescape(text)
        return text + b"\r\n\r\n", body


def all_cases() -> list[Case]:
    """Every file of the corpus."""
    return [Case(path) for path in sorted(CORPUS.rglob("*.http"))]
