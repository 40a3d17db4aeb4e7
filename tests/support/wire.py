"""A raw HTTP client: sends bytes as given, reads answers strictly."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from tests.support.soap import Answer

_SECONDS = 20.0
_T = TypeVar("_T")


class _Plain:
    """A socket."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def send(self, data: bytes) -> None:
        self.raw.sendall(data)

    def receive(self) -> bytes:
        """The next bytes, nothing at the end."""
        return self.raw.recv(65536)

    def stop_sending(self) -> None:
        self.raw.shutdown(socket.SHUT_WR)


class _Tls(_Plain):
    """TLS on a socket. Unlike an `SSLSocket` it can say that it will send no more and still read what comes."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(raw)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        self._run(self._tls.do_handshake)

    def _run(self, step: Callable[[], _T]) -> _T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                if data := self.raw.recv(65536):
                    self._in.write(data)
                else:
                    self._in.write_eof()  # the step then raises SSLEOFError: the connection was cut
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._out.read():
            self.raw.sendall(data)

    def send(self, data: bytes) -> None:
        if data:
            self._run(lambda: self._tls.write(data))

    def receive(self) -> bytes:
        try:
            return self._run(lambda: self._tls.read(65536))
        except ssl.SSLZeroReturnError:
            return b""

    def stop_sending(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        super().stop_sending()


class Wire:
    """One connection to 127.0.0.1, over TLS when a context is given."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._raw = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._channel = _Plain(self._raw) if tls is None else _Tls(self._raw, tls)
        self._read_ahead = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def send(self, data: bytes) -> None:
        self._channel.send(data)

    def stop_sending(self) -> None:
        """Say that nothing more will come, and stay there for the answer."""
        self._channel.stop_sending()

    def read(self, *, bodiless: bool = False) -> Answer:
        """The next answer. It must have a Content-Length and must not be chunked (contract, section 1)."""
        head = self._take(self._find(b"\r\n\r\n"))
        line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        assert line.startswith(("HTTP/1.1 ", "HTTP/1.0 ")), line
        headers: dict[str, str] = {}
        for header in lines:
            name, _, value = header.partition(": ")
            assert name.lower() not in headers, f"repeated header {name}"
            headers[name.lower()] = value
        status = int(line.split(" ")[1])
        if status == 100:
            return Answer(status, headers)
        assert "transfer-encoding" not in headers
        return Answer(status, headers, self._take(0 if bodiless else int(headers["content-length"])))

    def at_end(self) -> bool:
        """Whether the server closed in good order after what was read: no reset, no byte more."""
        return not self._read_ahead and self._channel.receive() == b""

    def _find(self, end: bytes) -> int:
        while end not in self._read_ahead:
            self._receive()
        return self._read_ahead.index(end) + len(end)

    def _take(self, count: int) -> bytes:
        while len(self._read_ahead) < count:
            self._receive()
        taken, self._read_ahead = self._read_ahead[:count], self._read_ahead[count:]
        return taken

    def _receive(self) -> None:
        data = self._channel.receive()
        assert data, f"connection closed amid an answer, behind {self._read_ahead[:200]!r}"
        self._read_ahead += data
