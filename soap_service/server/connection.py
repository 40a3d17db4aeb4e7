"""One client connection as the worker sees it: socket, deadlines, request body, response.

Everything that waits here waits for a bounded time: one deadline for reading a whole request, one for writing
each piece of a response, one for the goodbye. A client that drips a byte a second is as bounded as a silent one.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import TConn

#: First byte of a TLS record that opens a handshake, and of the SSLv2 form of it (RFC 5246, appendix E.2).
TLS_FIRST_BYTES = (b"\x16", b"\x80")

#: How long a thread stays with a client after the TLS handshake: its request is nearly always right behind.
_AFTER_HANDSHAKE_MS = 50

#: How long, and for how many bytes, a closed connection is still read so that its last answer arrives.
LINGER_SECONDS = 5.0
LINGER_BYTES = 16 * 1024 * 1024


class RequestTimeoutError(TimeoutError):
    """The client did not send its whole request in time."""


class RequestBodyError(OSError):
    """The request body cannot be read: broken framing, cut short, or the client is gone."""


class ClientGoneError(Exception):
    """The response cannot be delivered: the client closed, or does not read."""


def scheme_of(sock: socket.socket) -> str:
    """What the socket really is: ``https`` or ``http``."""
    return "https" if isinstance(sock, ssl.SSLSocket) else "http"


def acknowledge_now(sock: socket.socket) -> None:
    """Acknowledge what has arrived at once, where the system can (Linux).

    A client that writes its request in two pieces sends the second when the first is acknowledged (Nagle's
    algorithm), and without this the acknowledgement waits 40 ms for an answer to travel with.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def send_all(sock: socket.socket, data: bytes, seconds: float) -> None:
    """Write data, all of it within seconds.

    ``sendall`` of a TLS socket would grant the whole timeout to every 16 KiB record.
    Raises ClientGoneError when the client closed or stopped reading.
    """
    view = memoryview(data)
    deadline = time.monotonic() + seconds
    try:
        while view:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError("response not read in time")
            sock.settimeout(remaining)
            view = view[sock.send(view) :]
    except OSError as exc:
        raise ClientGoneError(type(exc).__name__) from exc


class TimedUnreader(SocketUnreader):
    """Reads requests from a socket, each within one deadline."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.deadline = 0.0
        self.begun = False

    def begin(self, seconds: float) -> None:
        """Start the clock of the next request."""
        self.deadline = time.monotonic() + seconds
        self.begun = self.buffered

    @property
    def buffered(self) -> bool:
        """Whether bytes of a request are held that the socket no longer shows."""
        return bool(self.buf.getbuffer().nbytes)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes of the request, ``b""`` at its end; RequestTimeoutError when the time is up."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise RequestTimeoutError("request not sent in time")
        self.sock.settimeout(remaining)
        if self.begun:
            acknowledge_now(self.sock)
        try:
            data: bytes = super().chunk(size_hint)
            # What OpenSSL has decrypted already would never make the socket readable for the poller again.
            if isinstance(self.sock, ssl.SSLSocket) and (pending := self.sock.pending()):
                data += self.sock.recv(pending)
        except TimeoutError as exc:
            raise RequestTimeoutError("request not sent in time") from exc
        self.begun = self.begun or bool(data)
        return data


class BodyReader:
    """Reads a request body for ``wsgi.input``; whatever goes wrong is an OSError.

    gunicorn's own readers raise a dozen classes for bad chunks, and none at all for a body shorter than its
    Content-Length. Raises RequestBodyError or RequestTimeoutError, neither with any of the request's content.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    @property
    def finished(self) -> bool:
        """Whether the body was read to its end."""
        if isinstance(self._reader, LengthReader):
            return bool(self._reader.length == 0)
        return self._reader.parser is None

    def read(self, size: int) -> bytes:
        expected = min(size, self._reader.length) if isinstance(self._reader, LengthReader) else 0
        try:
            data: bytes = self._reader.read(size)
        except RequestTimeoutError:
            raise
        except NoMoreData:
            raise RequestBodyError("request body cut short") from None
        except (ParseException, OSError) as exc:
            raise RequestBodyError(f"request body unreadable: {type(exc).__name__}") from None
        if len(data) < expected:
            raise RequestBodyError("request body cut short")
        return data


class Response(wsgi.Response):
    """gunicorn's response, without a Server header and with the head and the first piece in one write."""

    headers_sent: bool

    def __init__(self, req: Any, sock: socket.socket, cfg: Any, write_timeout: float) -> None:
        super().__init__(req, sock, cfg)
        self._write_timeout = write_timeout
        self._head = b""

    @property
    def started(self) -> bool:
        """Whether bytes of the response may be on the wire: no other answer can be given any more."""
        return bool(self.headers_sent and not self._head)

    def should_close(self) -> bool:
        """Close also when the body was left unread: where the next request begins is then unknown."""
        body = self.req.body
        return body.failed or not body.reader.finished or super().should_close()

    def default_headers(self) -> list[str]:
        return [line for line in super().default_headers() if not line.startswith("Server:")]

    def send_headers(self) -> None:
        if self.headers_sent:
            return
        lines = self.default_headers()
        lines.extend(f"{name}: {value}\r\n" for name, value in self.headers)
        lines.append("\r\n")
        self._head = "".join(lines).encode("latin-1")
        self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        self._flush(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def close(self) -> None:
        self.send_headers()
        self._flush(b"0\r\n\r\n" if self.chunked else b"")

    def _flush(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head or data:
            send_all(self.sock, head + data, self._write_timeout)


class Connection(TConn):
    """A connection that finds out by its first byte whether the client speaks TLS."""

    sock: socket.socket
    initialized: bool

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, *, request_timeout: float) -> None:
        super().__init__(cfg, sock, client, server)
        self.request_timeout = request_timeout
        self._drained = 0

    @property
    def request_begun(self) -> bool:
        """Whether at least one byte of the request in hand has arrived."""
        return self.parser is not None and self.parser.unreader.begun

    def init(self) -> bool:
        """Shake hands if this is a new TLS connection, and start the clock of the next request.

        Returns False when the handshake is done but no request is there yet: wait in the poller, not in a
        thread. Raises OSError (ssl.SSLError and TimeoutError among them) when the handshake fails.
        """
        fresh = not self.initialized
        if fresh:
            self.initialized = True
            self.sock.settimeout(self.request_timeout)
            if self.cfg.is_ssl and self.sock.recv(1, socket.MSG_PEEK) in TLS_FIRST_BYTES:
                tls_sock: ssl.SSLSocket = ssl_wrap_socket(self.sock, self.cfg)
                self.sock = tls_sock
                tls_sock.do_handshake()
                acknowledge_now(tls_sock)
                self.data_ready = False
            self.parser = RequestParser(self.cfg, self.sock, self.client)
            self.parser.unreader = TimedUnreader(self.sock)
        if fresh and not self.data_ready:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if not poll.poll(_AFTER_HANDSHAKE_MS):
                return False
        self.parser.unreader.begin(self.request_timeout)
        return True

    def half_close(self) -> bool:
        """Send the end of our side; True while the client may still be sending.

        Closing with unread input makes the kernel send a reset that can eat the answer on its way
        (RFC 9112, section 9.6), so the rest is read and dropped first: see drain().
        """
        self._close_notify()
        try:
            self.sock.setblocking(False)
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return self.drain()

    def drain(self) -> bool:
        """Drop what has arrived since; False when the client has closed too or has sent too much."""
        try:
            count = len(self.sock.recv(65536))
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._drained += count
        return bool(count) and self._drained < LINGER_BYTES

    def close(self, graceful: bool = False) -> None:
        """Close at once; never blocks, never raises. The graceful way is half_close() and drain()."""
        self._close_notify()
        with contextlib.suppress(OSError):
            self.sock.close()

    def _close_notify(self) -> None:
        """Tell a TLS client that nothing was cut off, without waiting for its reply."""
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.setblocking(False)
                self.sock.unwrap()
