"""Looks at a PostgreSQL of the tests from outside: its processes, its shared memory, what is left of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.support.postgres import ADDRESS_VARIABLE, OwnPostgresServer, running_postgres
from tests.support.postgres_host import Way, account_for_server, installed_binaries, is_alive, private_directory

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def own_server(way: Way, *, durable: bool = False) -> Iterator[OwnPostgresServer]:
    """Give a server of ours by exactly one way."""
    if way == "installed" and not installed_binaries():
        pytest.skip("no PostgreSQL is installed on this machine")
    with running_postgres(durable=durable, ways=(way,)) as server:
        assert isinstance(server, OwnPostgresServer)
        assert server.way == way
        yield server


@contextlib.contextmanager
def reachable_directory() -> Iterator[Path]:
    """Give a directory that everybody can reach, which pytest's own are not."""
    directory = private_directory(account_for_server())
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def ask(conninfo: str, statement: str) -> Any:
    """Run one statement and return the first value of its answer, if it has one."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def processes_of(server: OwnPostgresServer) -> list[psutil.Process]:
    """Return the postmaster and its children, at least the checkpointer among them."""
    postmaster = psutil.Process(server.pid)
    children = postmaster.children(recursive=True)
    assert children
    return [postmaster, *children]


def shared_memory(server: OwnPostgresServer) -> tuple[str, set[Path]]:
    """Return the id of a server's System V segment and, on Linux, the files of its POSIX segments."""
    segment = (server.directory / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
    maps = Path(f"/proc/{server.pid}/maps")
    words = maps.read_text().split() if maps.exists() else []
    return segment, {Path(word) for word in words if word.startswith("/dev/shm/")}


def system_v_segments() -> set[str]:
    """Return the ids of all System V segments, as far as the system shows them in a file."""
    with contextlib.suppress(OSError):
        return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}
    return set()


def left_of(directory: Path, processes: list[psutil.Process]) -> list[object]:
    """Return what is still there of an ended server."""
    left: list[object] = [process for process in processes if is_alive(process)]
    return [*left, directory] if directory.exists() else left


def script(text: str, **options: Any) -> subprocess.Popen[str]:
    """Run Python code that knows the checkout and no address."""
    environment = {key: value for key, value in os.environ.items() if key != ADDRESS_VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    arguments = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True, **options)
