"""gunicorn, configured for this service and started from Python."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from soap_service.server.tls import TlsContext
from soap_service.server.worker import BAD_REQUEST_BODY, SERVER_ERROR_BODY, AccessLog, VoucherWorker

log = logging.getLogger(__name__)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: gunicorn's heartbeat files belong on a disk that never blocks.
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108


@dataclass(frozen=True)
class ServerOptions:
    """Everything the server needs to know; all times in seconds.

    With certfile, both ports speak HTTPS and plain HTTP, told apart by the first byte; the application sees in
    ``wsgi.url_scheme`` which one it was. Without certfile, both are plain. keyfile may be in certfile.
    request_timeout bounds the reading of a whole request, and the writing of its response.
    preload builds the application before the fork; after_fork then runs in each new worker and must replace
    what processes cannot share, such as database connections.
    """

    host: str = "127.0.0.1"
    port: int = 8443
    plain_port: int | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    workers: int = 2
    threads: int = 8
    keepalive: int = 15
    request_timeout: float = 30.0
    graceful_timeout: int = 30
    preload: bool = True
    after_fork: Callable[[], None] | None = None
    access_log: AccessLog | None = None
    log_level: str = "warning"
    bad_request_body: bytes = BAD_REQUEST_BODY
    server_error_body: bytes = SERVER_ERROR_BODY

    @property
    def addresses(self) -> list[str]:
        """``host:port`` of every listener, an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        ports = [self.port] if self.plain_port is None else [self.port, self.plain_port]
        return [f"{host}:{port}" for port in ports]

    @property
    def urls(self) -> list[str]:
        """The listeners as URLs; the plain port is ``http`` even if it would accept TLS too."""
        scheme = "http" if self.certfile is None else "https"
        return [f"{scheme if i == 0 else 'http'}://{address}" for i, address in enumerate(self.addresses)]


class StandardLogger(Logger):
    """gunicorn's logger, its records handed to the root logger instead of to handlers of its own."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            handler = self._get_gunicorn_handler(logger)
            if handler is not None:
                logger.removeHandler(handler)
            logger.propagate = True


class VoucherServer(BaseApplication):
    """The service as a gunicorn application: ``VoucherServer(options, build_app).run()`` serves until a signal.

    build_app makes the WSGI application, once: in the parent with preload, else in each worker.
    Raises OSError (ssl.SSLError included) when the certificate cannot be used; run() ends with SystemExit.
    """

    def __init__(self, options: ServerOptions, build_app: Callable[[], WsgiApp]) -> None:
        self.options = options
        self._build_app = build_app
        # Before the fork, so that all workers resume each other's TLS sessions.
        self._tls = TlsContext(options.certfile, options.keyfile) if options.certfile else None
        super().__init__(prog="createvouchers")

    def load(self) -> WsgiApp:
        return self._build_app()

    def load_config(self) -> None:
        for name, value in self._settings().items():
            self.cfg.set(name, value)

    def _settings(self) -> dict[str, Any]:
        options = self.options
        worker_class = type(
            "VoucherWorker",
            (VoucherWorker,),
            {
                "request_timeout": options.request_timeout,
                "bad_request_body": options.bad_request_body,
                "server_error_body": options.server_error_body,
                "access_log": options.access_log,
            },
        )
        settings: dict[str, Any] = {
            "bind": options.addresses,
            "workers": options.workers,
            "worker_class": worker_class,
            "threads": options.threads,
            "worker_connections": 500 + options.threads,
            "keepalive": options.keepalive,
            "graceful_timeout": options.graceful_timeout,
            "timeout": 60,  # of a worker's heartbeat, not of a request
            "max_requests": 0,
            "preload_app": options.preload,
            "proc_name": "createvouchers",
            "worker_tmp_dir": str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None,
            # HTTP/1 only, by the parser that is always there: every installation accepts the same requests.
            "http_protocols": "h1",
            "http_parser": "python",
            "limit_request_line": 4094,
            "limit_request_fields": 64,
            "limit_request_field_size": 8190,
            # Whom to believe about a proxy is the application's decision: it sees X-Forwarded-* as sent, and
            # wsgi.url_scheme is what the socket is. Names with "_" could forge others, and are dropped.
            "secure_scheme_headers": {},
            "forwarder_headers": "",
            "forwarded_allow_ips": "",
            "proxy_protocol": "off",
            "header_map": "drop",
            # No file in the home directory, no thread in the parent.
            "control_socket_disable": True,
            "logger_class": StandardLogger,
            "loglevel": options.log_level,
            "accesslog": None,
            "when_ready": self._when_ready,
            "on_exit": self._on_exit,
            "pre_fork": _pre_fork,
            "post_fork": self._post_fork,
            "post_worker_init": _post_worker_init,
        }
        if self._tls is not None:
            # The file names make gunicorn speak TLS at all; the hook gives it the context.
            settings["certfile"] = str(options.certfile)
            settings["keyfile"] = str(options.keyfile) if options.keyfile else None
            settings["ssl_context"] = self._tls.hook
            self._tls.current()  # on SIGHUP: new workers share the context of a renewed pair
        return settings

    def _when_ready(self, arbiter: Any) -> None:
        log.info("listening on %s", ", ".join(self.options.urls))

    def _on_exit(self, arbiter: Any) -> None:
        log.info("stopped")

    def _post_fork(self, arbiter: Any, worker: Any) -> None:
        if self.options.after_fork is not None:
            self.options.after_fork()


def _freeze() -> None:
    """Exempt what is loaded from garbage collection: cheaper collections, and pages shared by the workers."""
    gc.collect()
    gc.freeze()


def _pre_fork(arbiter: Any, worker: Any) -> None:
    _freeze()


def _post_worker_init(worker: Any) -> None:
    _freeze()
