"""The least a server can do for a call: `python -m bench.bare DIRECTORY`.

Served as `createvouchers serve` serves, by the same settings; the path `/NAME` is answered with the bytes of
the file NAME.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soap_service import logs
from soap_service.cli.context import read_settings
from soap_service.cli.server_options import certificate, server_options
from soap_service.server.application import VoucherServer


class Bare:
    """A WSGI application that reads the request and returns bytes that are ready."""

    def __init__(self, directory: Path) -> None:
        self._answers = {f"/{path.name}": path.read_bytes() for path in directory.iterdir()}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        while environ["wsgi.input"].read(65536):
            pass
        answer = self._answers[environ["PATH_INFO"]]
        headers = [("Content-Type", "text/xml; charset=utf-8"), ("Content-Length", str(len(answer)))]
        start_response("200 OK", headers)
        return [answer]


def main(directory: str) -> None:
    """Serve until a signal comes."""
    settings = read_settings()
    logs.configure(settings.log_level, settings.log_format)
    bare = Bare(Path(directory))
    VoucherServer(server_options(settings, certificate(settings)), lambda: bare).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
