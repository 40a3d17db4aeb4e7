"""A raw HTTP client: sends bytes as given, reads answers strictly."""

from __future__ import annotations

import io
import socket
import ssl
from typing import Any

from tests.support.soap import Answer


class Wire:
    """One connection to 127.0.0.1, over TLS when a context is given."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: Any = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        self._file: io.BufferedReader = self._socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def stop_sending(self) -> None:
        """Say that nothing more will come, and stay there for the answer."""
        self._socket.shutdown(socket.SHUT_WR)

    def read(self, *, bodiless: bool = False) -> Answer:
        """The next answer. It must have a Content-Length and must not be chunked (contract, section 1)."""
        line = self._file.readline()
        assert line, "connection closed without an answer"
        assert line.startswith(b"HTTP/1.1 "), line
        headers: dict[str, str] = {}
        while (header := self._file.readline()) != b"\r\n":
            assert header.endswith(b"\r\n"), header
            name, _, value = header.decode("latin-1").strip().partition(": ")
            assert name.lower() not in headers, f"repeated header {name}"
            headers[name.lower()] = value
        status = int(line.split()[1])
        if status == 100:
            return Answer(status, headers)
        assert "transfer-encoding" not in headers
        length = 0 if bodiless else int(headers["content-length"])
        body = self._file.read(length)
        assert len(body) == length
        return Answer(status, headers, body)

    def at_end(self) -> bool:
        """Whether the server closed in good order after what was read: no reset, no byte more."""
        return self._file.read() == b""
