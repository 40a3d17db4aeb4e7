"""The servers that are compared, each a process of its own, with the very same server options.

`python -m bench.serve service` is the real thing; `python -m bench.serve bare DIRECTORY` answers the path
`/NAME` with the bytes of the file NAME. Both take the service's settings from the environment.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from soap_service.operations.house import House
from soap_service.server.application import ServerOptions, VoucherServer
from soap_service.server.tls import ensure_self_signed
from soap_service.settings import Settings
from soap_service.store.engine import Store
from soap_service.wsgi import build


class Bare:
    """The least a WSGI application can do for a call: read the request, return bytes that are ready."""

    def __init__(self, directory: Path) -> None:
        self._answers = {f"/{path.name}": path.read_bytes() for path in directory.iterdir()}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        while environ["wsgi.input"].read(65536):
            pass
        answer = self._answers[environ["PATH_INFO"]]
        headers = [("Content-Type", "text/xml; charset=utf-8"), ("Content-Length", str(len(answer)))]
        start_response("200 OK", headers)
        return [answer]


def main(kind: str, directory: str = "") -> None:
    """Serve until a signal comes."""
    settings = Settings()
    if kind == "bare":
        bare = Bare(Path(directory))
        VoucherServer(_options(settings, None), lambda: bare).run()
    else:
        _log_calls()
        store = Store(settings.store_url, pool_size=settings.threads + 1)
        application = build(settings, House(store))
        VoucherServer(_options(settings, store.forget_connections), lambda: application).run()


def _options(settings: Settings, after_fork: Callable[[], None] | None) -> ServerOptions:
    certfile, keyfile = ensure_self_signed(settings.data_dir)
    return ServerOptions(
        host=settings.host,
        port=settings.port,
        certfile=certfile,
        keyfile=keyfile,
        workers=settings.workers,
        threads=settings.threads,
        keepalive=settings.keepalive,
        request_timeout=settings.request_timeout,
        after_fork=after_fork,
    )


def _log_calls() -> None:
    """One JSON line a call, as in production: that is a part of what a call costs."""
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
