"""The gunicorn worker: HTTP and HTTPS on one port, SOAP faults instead of HTML error pages.

gunicorn's threaded worker keeps the scheduling (poller, thread pool, keep-alive, shutdown). Replaced are the
parts that talk to a client: a connection waits for its first byte, and for its end, in the poller and never in
a thread; a request that cannot be parsed is answered with a SOAP fault (docs/decisions.md, transport).
"""

from __future__ import annotations

import errno
import selectors
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.workers.gthread import _DEFER, STOP_KEEPALIVE_LINGER, ThreadWorker

from soap_service.server.connection import (
    LINGER_SECONDS,
    BodyReader,
    ClientGoneError,
    Connection,
    RequestBodyError,
    RequestTimeoutError,
    Response,
    scheme_of,
    send_all,
)

#: Called after each answer with the WSGI environ (for a request that could not be parsed: only the address and
#: the scheme), the HTTP status, the body bytes sent and the seconds taken.
AccessLog = Callable[[Mapping[str, Any], int, int, float], None]

CONTENT_TYPE = "text/xml; charset=utf-8"

#: How long a client may take to accept a fault body; it fits into any socket buffer.
_FAULT_SECONDS = 5.0

_STATUS_OF = (
    (RequestTimeoutError, "408 Request Timeout"),
    (LimitRequestLine, "414 URI Too Long"),
    (ExpectationFailed, "417 Expectation Failed"),
    (LimitRequestHeaders, "431 Request Header Fields Too Large"),
)
_BAD_REQUEST = "400 Bad Request"
_SERVER_ERROR = "500 Internal Server Error"


def fault_body(faultcode: str, faultstring: str) -> bytes:
    """A SOAP 1.1 fault as sent on the wire; both texts must need no escaping."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:ns="http://www.websale.de/"><SOAP-ENV:Body><SOAP-ENV:Fault>'
        f"<faultcode>{faultcode}</faultcode><faultstring>{faultstring}</faultstring>"
        "</SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


BAD_REQUEST_BODY = fault_body("SOAP-ENV:Client", "ES015 Ungültiger Request")
SERVER_ERROR_BODY = fault_body("SOAP-ENV:Server", "ES005 Fehler bei Server-Initialisierung")


class VoucherWorker(ThreadWorker):
    """A threaded worker for SOAP clients; application.py sets its class attributes."""

    bad_request_body: ClassVar[bytes] = BAD_REQUEST_BODY
    server_error_body: ClassVar[bytes] = SERVER_ERROR_BODY
    #: Seconds for reading one whole request, and again for writing each piece of its response.
    request_timeout: ClassVar[float] = 30.0
    access_log: ClassVar[AccessLog | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lingering_conns: deque[Connection] = deque()

    # In the main thread: who waits for what.

    def accept(self, listener: Any) -> None:
        """Take a new connection and wait for its first byte in the poller.

        All workers wake for a new connection, and the quickest would get every one of a burst, to keep it as
        long as the client likes. A busy worker therefore lets the others go first for a moment.
        """
        busy = self.nr_conns - len(self.keepalived_conns)
        if busy and self.cfg.workers > 1:
            time.sleep(min(busy, 4) * 0.0002)
        try:
            sock, addr = listener.accept()
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED):
                # Out of descriptors, say: the listener stays readable, so do not spin, and do not die of it.
                self.log.error("cannot accept a connection: %s", exc)
                time.sleep(0.05)
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, addr, listener.getsockname(), request_timeout=self.request_timeout)
        self._park(conn)

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """Decide what becomes of a connection after a thread has had it."""
        failure = None if fs.cancelled() else fs.exception()
        if failure is not None:
            self._log_unexpected(failure)
        result = None if fs.cancelled() or failure is not None else fs.result()
        if result is _DEFER and self.alive:
            self._park(conn)
        elif result is True:
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    def _park(self, conn: Connection) -> None:
        """Wait for the first byte of a request without holding a thread."""
        try:
            conn.sock.setblocking(False)
            conn.timeout = time.monotonic() + self.request_timeout
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
            self.pending_conns.append(conn)
        except (OSError, ValueError, KeyError):
            self._drop(conn)

    def _linger(self, conn: Connection) -> None:
        """Close our side, and wait a little for the client to close its own."""
        if not conn.half_close():
            self._drop(conn)
            return
        conn.timeout = time.monotonic() + (LINGER_SECONDS if self.alive else STOP_KEEPALIVE_LINGER)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_lingering_readable, conn))
        self.lingering_conns.append(conn)

    def _on_lingering_readable(self, conn: Connection, sock: Any) -> None:
        if not conn.drain():
            self.lingering_conns.remove(conn)
            self.poller.unregister(sock)
            self._drop(conn)

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close connections that sent nothing, and those that never closed their side, in time."""
        super().murder_pending()
        now = time.monotonic()
        while self.lingering_conns and self.lingering_conns[0].timeout <= now:
            conn = self.lingering_conns.popleft()
            self.poller.unregister(conn.sock)
            self._drop(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """On shutdown nobody who sends nothing is waited for longer than until deadline."""
        super()._cap_keepalive(deadline)
        for conn in (*self.pending_conns, *self.lingering_conns):
            conn.timeout = min(conn.timeout, deadline)

    # In a worker thread: one request.

    def handle(self, conn: Connection) -> Any:
        """Read one request and answer it.

        Returns True to keep the connection for another request, False to close it, and gunicorn's marker
        _DEFER to wait for a request that has not begun.
        """
        try:
            if not conn.init():
                return _DEFER
            req = next(conn.parser)
        except StopIteration:
            return False  # closed between two requests
        except (ParseException, NoMoreData) as exc:
            self.handle_error(None, conn.sock, conn.client, exc)
        except RequestTimeoutError as exc:
            if conn.request_begun:
                self.handle_error(None, conn.sock, conn.client, exc)
        except OSError as exc:
            # The client is gone, or is no TLS client after all: nobody would understand an answer.
            self.log.debug("connection lost: %s", type(exc).__name__)
        except Exception as exc:
            self.handle_error(None, conn.sock, conn.client, exc)
        else:
            return self.handle_request(req, conn)
        return False

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Let the application answer a request; True when the connection can serve another one."""
        req.scheme = scheme_of(conn.sock)
        req.body.reader = BodyReader(req.body.reader)
        if _asks_to_close(req):
            req.force_close()
        self.nr += 1
        try:
            # This also sends "100 Continue" to a client that waits for it.
            resp, environ = wsgi.create(
                req,
                conn.sock,
                conn.client,
                conn.server,
                self.cfg,
                response_class=Response,
                response_args=(self.request_timeout,),
            )
        except OSError as exc:
            self.log.debug("connection lost: %s", type(exc).__name__)
            return False
        except Exception as exc:
            self.handle_error(req, conn.sock, conn.client, exc)
            return False
        environ["wsgi.multithread"] = True
        return self._answer(req, conn, resp, environ)

    def _answer(self, req: Any, conn: Connection, resp: Response, environ: dict[str, Any]) -> bool:
        started = time.monotonic()
        try:
            parts = self.wsgi(environ, resp.start_response)
            # Not earlier: a shutdown may have begun meanwhile, and the head is written with the first piece.
            if not self.alive or not self.cfg.keepalive or len(self.keepalived_conns) >= self.max_keepalived:
                resp.force_close()
            try:
                for part in parts:
                    resp.write(part)
                resp.close()
            finally:
                if hasattr(parts, "close"):
                    parts.close()
        except ClientGoneError as exc:
            self.log.debug("response not delivered: %s", exc)
            return False
        except (Exception, SystemExit) as exc:
            if resp.started:
                # Half an answer is on its way: nothing better than cutting it off is left.
                self._log_unexpected(exc)
            else:
                self.handle_error(req, conn.sock, conn.client, exc)
            return False
        self._log_access(environ, resp.status_code, resp.sent, time.monotonic() - started)
        return not resp.should_close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer with a SOAP fault what the application could not answer.

        req is None while the request's head is being read: whatever the parser refuses then is the client's
        error. Later only RequestBodyError and RequestTimeoutError are, for an application that lets them pass;
        anything else is logged, without its message (it may quote the request), and answered with ES005.
        """
        status = _client_error_status(exc, parsing=req is None)
        if status is None:
            self._log_unexpected(exc)
            status, body = _SERVER_ERROR, self.server_error_body
        else:
            body = self.bad_request_body
            self.log.info("refused a request from %s: %s (%s)", addr[0], type(exc).__name__, status)
        head = (
            f"HTTP/1.1 {status}\r\nDate: {util.http_date()}\r\nConnection: close\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if req is not None and req.method == "HEAD":
            body = b""
        try:
            send_all(client, head.encode("ascii") + body, _FAULT_SECONDS)
        except ClientGoneError as gone:
            self.log.debug("fault not delivered: %s", gone)
        environ = {"REMOTE_ADDR": addr[0], "wsgi.url_scheme": scheme_of(client)}
        self._log_access(environ, int(status[:3]), len(body), 0.0)

    def _log_access(self, environ: Mapping[str, Any], status: int, size: int, seconds: float) -> None:
        # Through the class: a plain function stored there must not become a method.
        log = type(self).access_log
        if log is not None:
            try:
                log(environ, status, size, seconds)
            except Exception as exc:
                self._log_unexpected(exc)

    def _log_unexpected(self, exc: BaseException) -> None:
        """Log classes and frames of an exception and its causes, not their messages."""
        story = []
        cause: BaseException | None = exc
        while cause is not None:
            story.append(f"{type(cause).__name__}\n{''.join(traceback.format_tb(cause.__traceback__))}")
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        self.log.error("unexpected error: %s", "caused by ".join(story).rstrip())


def _client_error_status(exc: BaseException, *, parsing: bool) -> str | None:
    """The HTTP status when the client is at fault, None when we are."""
    client_errors = (RequestBodyError, RequestTimeoutError)
    if not isinstance(exc, (*client_errors, ParseException, NoMoreData) if parsing else client_errors):
        return None
    return next((status for cls, status in _STATUS_OF if isinstance(exc, cls)), _BAD_REQUEST)


def _asks_to_close(req: Any) -> bool:
    """Whether ``close`` is among the Connection options; gunicorn knows it only when it stands alone."""
    return any(
        option.strip().lower() == "close"
        for name, value in req.headers
        if name == "CONNECTION"
        for option in value.split(",")
    )
