"""Tries the safe retries: does a program get its two vouchers when the answers get lost?

`python -m interop.stumble [--only STACK]…` runs the stacks against a service that does every call with an
`Idempotency-Key`, but lets its answers come to grief: of each key the first is cut off with the connection, the
second becomes a proxy's error page, the third ES005; only the fourth comes through. The check create-2 must pass.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from interop import runner
from interop.service import running_service, stop_on_signals
from soap_service.server.worker import SERVER_ERROR_BODY

VARIABLE = "INTEROP_STUMBLE"
CHECK = "create-2"

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_PROXY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><hr>Bad Gateway</body></html>\n"


def stumbling(application: WsgiApplication, directory: Path) -> WsgiApplication:
    """The application with the answers of keyed calls lost as above; it counts in files of the directory."""

    def stumbled(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return application(environ, start_response)
        answer: list[Any] = []
        body = b"".join(application(environ, lambda *head: answer.extend(head)))
        match _count(directory / f"key-{hashlib.sha256(key.encode()).hexdigest()}"):
            case 1:
                environ["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
            case 2:
                answer, body = ["502 Bad Gateway", [("Content-Type", "text/html")]], _PROXY_PAGE
            case 3:
                answer = ["500 Internal Server Error", [("Content-Type", "text/xml; charset=utf-8")]]
                body = SERVER_ERROR_BODY
        status, headers = answer
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    return stumbled


def _count(path: Path) -> int:
    """How often this was asked, by all workers together."""
    with path.open("a") as file:
        file.write("x")
    return path.stat().st_size


def main() -> int:
    """Run the stacks; exits with 1 when one of them does not get its vouchers."""
    every = runner.stacks()
    parser = argparse.ArgumentParser(prog="python -m interop.stumble", description=__doc__)
    parser.add_argument("--only", action="append", metavar="STACK", choices=every, help=", ".join(every))
    only = parser.parse_args().only
    names = [name for name in every if not only or name in only]
    stop_on_signals()
    os.environ[VARIABLE] = "1"
    console = Console(highlight=False, soft_wrap=True)
    missed = 0
    with running_service(names) as service:
        for outcome in runner.run(names, service, len(os.sched_getaffinity(0))):
            if CHECK in outcome.verdict.passed:
                console.print(f"{outcome.stack}: got its vouchers", markup=False)
            else:
                why = "; ".join(f"{hole.where}: {hole.why}" for hole in outcome.verdict.holes)
                console.print(f"{outcome.stack}: {why}", markup=False)
                missed += 1
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
