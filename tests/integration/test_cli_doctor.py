"""`doctor` by the command line: what is sound, and what is found."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import Connection, text

from soap_service import clock as clocks
from soap_service.operations.demo_data import make_demo
from soap_service.operations.doctor import check_store
from soap_service.operations.house import House
from soap_service.store.engine import Store
from tests.support.cli import Cli

MakeStore = Callable[..., Store]
UNREACHABLE = "postgresql://somebody:topsecret@127.0.0.1:9/nowhere?password=topsecret"


def checks(cli: Cli, *arguments: str, code: int = 0) -> dict[str, tuple[str, str]]:
    return {row["check"]: (row["result"], row["found"]) for row in cli.json("doctor", *arguments, code=code)}


def test_a_sound_installation(store: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, store)
    found = checks(cli, code=1 if store.is_postgresql else 0)
    assert found["shops"] == ("warning", "there is none yet: `createvouchers shop add`")
    assert found["certificate"] == ("warning", "none configured: `serve` will make a self-signed one")
    cli.run("demo")
    found = checks(cli, code=1 if store.is_postgresql else 0)
    durability = found.pop("durability")
    if store.is_postgresql:  # the server of the tests has it off, for speed
        assert durability[0] == "problem"
        assert "fsync=off" in durability[1]
    else:
        assert durability == ("ok", "journal_mode=wal, synchronous=full")
    assert {name for name, (result, _) in found.items() if result == "ok"} == {
        "settings", "database", "migrations", "clock", "shops", "voucher counts", "vouchers' charges",
        "vouchers' terms", "pool counts", "pool codes",
    }  # fmt: skip
    assert found["certificate"][0] == "warning"
    assert "days left" in found["certificate"][1]
    assert "voucher counts" not in checks(cli, "--quick", code=1 if store.is_postgresql else 0)
    assert "self-signed" in cli.run("doctor", code=1 if store.is_postgresql else 0).stdout


def test_durability_that_is_on(sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from soap_service.store import checks as queries

    on = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "remote_apply"}
    cli = Cli(tmp_path, sqlite_store)
    monkeypatch.setattr(queries, "settings", lambda connection: on)
    assert checks(cli)["durability"][0] == "ok"
    monkeypatch.setattr(queries, "settings", lambda connection: on | {"synchronous_commit": "off"})
    assert checks(cli, code=1)["durability"] == (
        "problem",
        "vouchers could be lost after a crash: synchronous_commit=off",
    )


DAMAGES = {
    "UPDATE charge_count SET vouchers = vouchers + 1": ("voucher counts", "5 charges whose count is not"),
    "DELETE FROM charge_count": ("voucher counts", "5 charges whose count is not"),
    "UPDATE voucher SET charge_id = 4711": ("vouchers' charges", "5 vouchers whose charge is missing"),
    "UPDATE voucher SET terms_id = 4711": ("vouchers' terms", "5 vouchers whose terms are missing"),
    "DELETE FROM pool_code WHERE seq = 3": ("pool counts", "2 pool lanes whose count is not"),
    "UPDATE pool_code SET lane_id = lane_id + 4711": ("pool codes", "25 pool codes without a lane"),
    "DELETE FROM signing_key": ("shops", "there is no signing key"),
    "UPDATE shop SET time_zone = 'Mars/Olympus'": ("shops", "the time zone of shop TestShop is unknown here"),
}
HARMLESS = (
    "UPDATE pool_lane SET next_seq = 5",  # drawn
    "UPDATE pool_lane SET next_seq = last_seq + 1",
    "UPDATE voucher SET state = 9; UPDATE charge_count SET vouchers = 0",  # deleted
)


class _Undo(Exception):
    """Ends a transaction without a trace."""


class _OneTransaction:
    """A store that shows what a transaction has done so far."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection


def test_what_does_not_add_up_is_found(house: House) -> None:
    make_demo(house)

    def found_after(damage: str) -> dict[str, tuple[str, str]]:
        with suppress(_Undo), house.store.write() as connection:
            for statement in damage.split(";"):
                connection.execute(text(statement))
            patient: Any = _OneTransaction(connection)
            checked = list(check_store(House(patient, passwords=house.passwords)))
            raise _Undo
        return {check.name: (check.health.value, check.text) for check in checked if check.health != "ok"}

    sound = {"durability"} if house.store.is_postgresql else set()  # the tests' server has it off, for speed
    for damage in HARMLESS:
        assert set(found_after(damage)) == sound, damage
    for damage, (check, words) in DAMAGES.items():
        found = found_after(damage)
        assert found[check][0] == "problem", damage
        assert found[check][1].startswith(words), damage


def test_a_clock_that_is_wrong(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = clocks.utc_now
    monkeypatch.setattr("soap_service.cli.doctor.House", lambda store: House(store, clock=lambda: real() + late))
    late = dt.timedelta(seconds=90)
    cli = Cli(tmp_path, store)
    result, said = checks(cli, code=1)["clock"]
    assert result == "problem"
    assert said.startswith("90 seconds apart from the database's")
    late = dt.timedelta(seconds=3)
    assert checks(cli, code=1 if store.is_postgresql else 0)["clock"][0] == "ok"


def test_certificates(sqlite_store: Store, tmp_path: Path) -> None:
    authority = trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue(days: float) -> None:
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days, hours=1)
        pair = authority.issue_cert("vouchers.example.com", not_after=ends)
        pair.cert_chain_pems[0].write_to_path(cert)
        pair.private_key_pem.write_to_path(key)
        key.chmod(0o600)

    def found(code: int = 0, **settings: str) -> dict[str, tuple[str, str]]:
        paths = {"tls_cert": str(cert), "tls_key": str(key)} | settings
        return checks(Cli(tmp_path, sqlite_store, **paths), "--quick", code=code)

    issue(days=100)
    assert found()["certificate"] == ("ok", f"{cert} for vouchers.example.com, 100 days left")
    key.chmod(0o644)
    assert found()["private key"][0] == "warning"
    issue(days=20)
    assert found()["certificate"][0] == "warning"
    issue(days=-1)
    assert found(code=1)["certificate"] == ("problem", f"{cert} has expired")
    assert found(code=1, tls_key=str(cert))["certificate"][0] == "problem"
    assert found(code=1, tls_cert="/nowhere.pem")["certificate"][0] == "problem"
    behind = found(tls="false", trusted_proxies="10.0.0.1")
    assert behind["certificate"] == ("ok", "none needed: a proxy speaks TLS")
    assert "exposure" not in behind
    assert "every call is refused" in found(tls="false")["exposure"][1]


def test_sqlite_files_are_not_made_by_looking(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert checks(cli, code=1)["database"][1].startswith(f"there is no {tmp_path}")
    assert list(tmp_path.iterdir()) == []
    sqlite3.connect(tmp_path / "createvouchers.db").close()
    assert checks(cli, code=1)["migrations"][0] == "problem"
