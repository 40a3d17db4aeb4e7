"""The store goes away under a running server: ES005, and success again without a restart when it is back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import PostgresServer
from tests.support.server import Authority, RunningServer, running_server
from tests.support.soap import SOAP_12, check_soap, request
from tests.support.world import OpenWorld, tally, url_of

CREATE = request("CreateVouchers", VoucherCount=1, ChargeId="TestCharge")
LOOK = request("GetVoucherChargeInfo", ChargeId="testid3")


def assert_es005(server: RunningServer) -> None:
    for body, code in ((CREATE, "Server"), (request("GetVoucherCharges", SOAP_12), "Receiver")):
        answer = server.post(body)
        check_soap(answer)
        assert answer.fault is not None
        assert (answer.status, answer.fault_code, answer.fault.code) == (500, "ES005", code)


def test_sqlite(tmp_path: Path, authority: Authority, sqlite_world: OpenWorld) -> None:
    """The file is on a disk that is not mounted yet."""
    path = tmp_path / "disk" / "vouchers.db"
    with (
        running_server(tmp_path, authority, f"sqlite:///{path}", tracebacks_expected=True) as server,
        sqlite_world() as store,
    ):
        assert_es005(server)
        path.parent.mkdir()
        path.write_bytes(Path(store.url.database or "").read_bytes())
        assert server.post(LOOK).fields["VoucherCount"] == "5"
        assert len(server.post(CREATE).codes) == 1


def test_postgresql(
    tmp_path: Path, authority: Authority, postgres: PostgresServer, postgresql_world: OpenWorld
) -> None:
    """The database throws everybody out and lets nobody in."""
    with (
        postgresql_world() as store,
        running_server(tmp_path, authority, url_of(store), tracebacks_expected=True) as server,
    ):
        assert len(server.post(CREATE).codes) == 1
        before = tally(store)
        store.close()
        with _closed(postgres, str(store.url.database)):
            assert_es005(server)
        assert tally(store) == before
        assert server.post(LOOK).fields["VoucherCount"] == "5"
        assert len(server.post(CREATE).codes) == 1


@contextlib.contextmanager
def _closed(postgres: PostgresServer, name: str) -> Iterator[None]:
    with psycopg.connect(**postgres.parameters("postgres"), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_the_log_says_holds_no_password(tmp_path: Path, authority: Authority, log_format: str) -> None:
    """Errors are logged with tracebacks, which can show variables; `running_server` looks for passwords."""
    settings = {"log_format": log_format, "workers": 1, "tracebacks_expected": True}
    with running_server(tmp_path, authority, f"sqlite:///{tmp_path / 'none' / 'x.db'}", **settings) as server:
        assert_es005(server)
        assert "StoreUnavailable" in server.log
