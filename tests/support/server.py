"""The real thing for tests: gunicorn in a process of its own, over TLS, on a store that is filled already.

Run as a program, this file is that server: settings from the environment, `CREATEVOUCHERS_*`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil
import trustme

from soap_service.store.engine import Store
from tests.support.soap import Answer
from tests.support.wire import Wire
from tests.support.world import SECRETS

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class Authority:
    """A certificate authority of the test run and its certificate for `localhost`, as files."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self.pair_file = directory / "localhost.pem"  # chain and key
        authority.cert_pem.write_to_path(self.ca_file)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(self.pair_file)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """What a client needs to trust it."""
        return ssl.create_default_context(cafile=str(self.ca_file))


@dataclass
class RunningServer:
    """A server that answers, and what a client needs to reach it. `tls` is None for one without TLS."""

    port: int
    plain_port: int
    authority: Authority
    tls: ssl.SSLContext | None
    process: subprocess.Popen[bytes]
    out_file: Path
    error_file: Path
    workers: tuple[int, ...] = ()

    @property
    def url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://localhost:{self.port}/createvouchers"

    @property
    def log(self) -> str:
        """Everything the processes wrote so far."""
        return self.out_file.read_text() + self.error_file.read_text()

    def is_whole(self) -> bool:
        """Whether every worker of the beginning is still there."""
        return all(psutil.pid_exists(pid) for pid in self.workers)

    def connect(self) -> Wire:
        """A new connection to the port."""
        return Wire(self.port, self.tls)

    def connect_plain(self) -> Wire:
        """A new connection without TLS to the plain port."""
        return Wire(self.plain_port, None)

    def post(self, body: bytes, *headers: str, path: str = "/createvouchers") -> Answer:
        """POST on a new connection; `headers` are whole lines that come behind the usual ones."""
        with self.connect() as wire:
            wire.send(self.message("POST", path, *headers, body=body))
            return wire.read()

    def get(self, path: str = "/createvouchers", *headers: str) -> Answer:
        """GET on a new connection."""
        with self.connect() as wire:
            wire.send(self.message("GET", path, *headers))
            return wire.read()

    def message(self, method: str, path: str, *headers: str, body: bytes | None = None) -> bytes:
        """An HTTP request; a header given replaces the usual one of that name."""
        given = {header.partition(":")[0].lower() for header in headers}
        usual = [f"Host: localhost:{self.port}"]
        if body is not None:
            usual += ["Content-Type: text/xml; charset=utf-8", f"Content-Length: {len(body)}"]
        lines = [
            f"{method} {path} HTTP/1.1",
            *(u for u in usual if u.partition(":")[0].lower() not in given),
            *headers,
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


@dataclass
class Served:
    """A server and the store behind it, which a test looks at from its own side."""

    server: RunningServer
    store: Store


def _free_ports() -> tuple[int, int]:
    """Two ports on 127.0.0.1 that nobody listens on."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@contextlib.contextmanager
def running_server(
    directory: Path,
    authority: Authority,
    database_url: str,
    *,
    tracebacks_expected: bool = False,
    **settings: object,
) -> Iterator[RunningServer]:
    """Start a server, wait until it answers, stop it, and see that it ended cleanly.

    `settings` are those of `soap_service.settings`, by name. At the end the server must have stopped by itself
    with exit code 0, and must have written no password and, unless `tracebacks_expected`, no traceback.
    """
    values: dict[str, object] = {
        "database_url": database_url,
        "data_dir": directory,
        "tls_cert": authority.pair_file,
        "workers": 2,
        "threads": 4,
        "request_timeout": 5,
        **settings,
    }
    server = _start(directory, authority, values)
    try:
        yield server
        assert server.is_whole(), server.log
        server.process.terminate()
        assert server.process.wait(_STOP_SECONDS) == 0, server.log
    finally:
        _kill(server)
    log = server.log
    for secret in SECRETS:
        assert secret not in log, "a password is in the log"
    if not tracebacks_expected:
        assert "Traceback" not in log, log


def _start(directory: Path, authority: Authority, values: dict[str, object]) -> RunningServer:
    """A server that answers; on other ports when somebody was quicker at the first ones."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CREATEVOUCHERS_")}
    environment |= {f"CREATEVOUCHERS_{name.upper()}": str(value) for name, value in values.items()}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    out_file, error_file = directory / "server.out", directory / "server.err"
    tls = authority.context if values.get("tls", True) else None
    for _ in range(3):
        port, plain_port = _free_ports()
        ports = {"CREATEVOUCHERS_PORT": str(port), "CREATEVOUCHERS_PLAIN_PORT": str(plain_port)}
        with out_file.open("wb") as out, error_file.open("wb") as error:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.server"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
                env=environment | ports,
                start_new_session=True,
            )
        server = RunningServer(port, plain_port, authority, tls, process, out_file, error_file)
        try:
            _wait_until_it_answers(server, int(str(values["workers"])))
        except BaseException:
            _kill(server)
            if "in use" in server.log:
                continue
            raise
        return server
    raise AssertionError(server.log)


def _kill(server: RunningServer) -> None:
    if server.process.poll() is None:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


def _wait_until_it_answers(server: RunningServer, workers: int) -> None:
    """Wait for an answer, and for all the workers."""
    deadline = time.monotonic() + _START_SECONDS
    while len(server.workers) < workers:
        assert server.process.poll() is None, server.log
        assert "Connection in use" not in server.log, server.log
        assert time.monotonic() < deadline, server.log
        with contextlib.suppress(OSError):
            server.get("/")
            server.workers = tuple(child.pid for child in psutil.Process(server.process.pid).children())
        time.sleep(0.05)


def _serve() -> None:
    from soap_service import logs, wsgi
    from soap_service.server.application import ServerOptions, VoucherServer
    from soap_service.settings import Settings

    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    options = ServerOptions(
        host=settings.host,
        port=settings.port,
        plain_port=settings.plain_port,
        certfile=settings.tls_cert if settings.tls else None,
        keyfile=settings.tls_key,
        workers=settings.workers,
        threads=settings.threads,
        keepalive=settings.keepalive,
        request_timeout=settings.request_timeout,
        graceful_timeout=5,
    )
    VoucherServer(options, lambda: wsgi.build(settings)).run()


if __name__ == "__main__":
    _serve()
