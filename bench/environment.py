"""What the benchmark runs in: PostgreSQL, the servers, a directory for their files, and facts of the machine."""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg

from tests.support.postgres import OWN, OwnPostgresServer, running_postgres
from tests.support.postgres_host import free_port

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "bench"
SERVICE = (Path(sys.executable).with_name("createvouchers"), "serve")
BARE = (sys.executable, "-m", "bench.bare")

# Without these a commit is not on disk when the caller hears of it, and every insert looks cheap.
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
_LIBRARIES = ("createvouchers", "gunicorn", "spyne", "lxml", "sqlalchemy", "psycopg")
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A server process with its workers, speaking HTTPS on 127.0.0.1."""

    process: subprocess.Popen[bytes]
    port: int
    certfile: Path
    log: Path

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def post(self, path: str, request: str) -> bytes:
        """The answer to one request, on a connection of its own; raises RuntimeError unless it is a 200."""
        trust = ssl.create_default_context(cafile=self.certfile)
        with contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=trust)
        ) as connection:
            connection.request("POST", path, request.encode(), {"Content-Type": "text/xml; charset=utf-8"})
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: HTTP {response.status}: {answer[:600].decode()}\n{self.last_log()}")
        return answer

    def last_log(self) -> str:
        """The end of what the server logged."""
        return self.log.read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def durable_postgres() -> Iterator[OwnPostgresServer]:
    """A PostgreSQL of our own with an empty database, every commit on disk before it is reported."""
    with running_postgres(durable=True, ways=OWN) as server:
        assert isinstance(server, OwnPostgresServer)
        for name in _DURABLE:
            if (value := setting(server, name)) != "on":
                raise RuntimeError(f"PostgreSQL has {name} = {value}: nothing worth knowing can be measured")
        server.create_database(DATABASE)
        yield server


def setting(server: OwnPostgresServer, name: str) -> str:
    """A setting of PostgreSQL."""
    with psycopg.connect(server.libpq()) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@contextlib.contextmanager
def serving(directory: Path, command: Sequence[str | Path], **settings: str) -> Iterator[Server]:
    """A server that is started by `command`, with its files in `directory`, and ended afterwards.

    `settings` by their environment variables, without the prefix; all others have their defaults.
    """
    directory.mkdir(exist_ok=True)
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CREATEVOUCHERS_")}
    settings |= {"PORT": str(port), "DATA_DIR": str(directory)}
    environment |= {f"CREATEVOUCHERS_{name}": value for name, value in settings.items()}
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server(process, port, directory / "self-signed.crt", log)
    try:
        _wait_until_it_listens(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_listens(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{server.last_log()}")
        time.sleep(0.05)


def wrk() -> str:
    """The path of wrk; raises RuntimeError when it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise RuntimeError("wrk is not installed: run bench/install")
    return found


def machine(postgres: OwnPostgresServer, directory: Path) -> dict[str, str]:
    """What the numbers depend on, to be read beside them."""
    major, minor = postgres.version
    memory = psutil.virtual_memory().total / 2**30
    disk = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=False)
    buffers = setting(postgres, "shared_buffers")
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Machine": f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB memory,"
        f" load average {os.getloadavg()[0]:.1f} when it began",
        "System": f"{platform.system()} {platform.release()}, files on {disk.stdout.strip() or 'an unknown disk'}",
        "Python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}",
        "PostgreSQL": f"{major}.{minor}, shared_buffers {buffers}, {', '.join(_DURABLE)} on",
        "Libraries": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES),
        "Load": _wrk_version(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        if match := re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def _wrk_version() -> str:
    said = subprocess.run([wrk(), "--version"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[:2])
