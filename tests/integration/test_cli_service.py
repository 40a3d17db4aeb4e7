"""`db`, `demo`, what `serve` warns of, exit codes and errors by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soap_service.cli import server_options
from soap_service.cli.errors import ExitCode
from soap_service.operations.house import House
from soap_service.operations.manage_shops import get_shop
from soap_service.settings import Settings
from soap_service.store import migrations
from soap_service.store.engine import Store
from tests.support.cli import PASSWORD, Cli
from tests.support.factories import create

MakeStore = Callable[..., Store]
UNREACHABLE = "postgresql://somebody:topsecret@127.0.0.1:9/nowhere?password=topsecret"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, make_store: MakeStore) -> Store:
    """A database without tables."""
    store: Store = make_store(request.param, migrated=False)
    return store


def checks(cli: Cli, *arguments: str, code: int = 0) -> dict[str, tuple[str, str]]:
    return {row["check"]: (row["result"], row["found"]) for row in cli.json("doctor", *arguments, code=code)}


# db


def test_upgrade_and_check(empty: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, empty)
    commands = (("db", "check"), ("shop", "list"), ("pool", "info", "S", "C"), ("serve",))
    for command in commands:
        said = cli.error(*command, code=ExitCode.NOT_MIGRATED)
        assert "`createvouchers db upgrade`" in said
    made = cli.json("db", "upgrade")
    assert (made["before"], made["schema"]) == (None, migrations.head())
    assert cli.json("db", "upgrade")["before"] == migrations.head()
    assert cli.json("db", "check")["schema"] == migrations.head()
    assert cli.run("db", "upgrade").stdout.endswith(f"has schema {migrations.head()} already\n")
    assert cli.json("shop", "list") == []


def test_upgrade_makes_the_directory_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "one" / "two"
    cli = Cli(directory)
    said = cli.error("shop", "list", code=ExitCode.NOT_MIGRATED)
    assert str(directory / "createvouchers.db") in said
    assert not directory.exists(), "asking makes nothing"
    cli.run("db", "upgrade")
    assert directory.stat().st_mode & 0o077 == 0
    assert cli.json("shop", "list") == []


# Errors


def test_a_database_that_is_away(tmp_path: Path) -> None:
    cli = Cli(tmp_path, database_url=UNREACHABLE)
    for command in (("shop", "list"), ("db", "upgrade"), ("demo",), ("serve",)):
        result = cli.run(*command, code=ExitCode.STORE_UNAVAILABLE)
        assert result.stderr.startswith("error: the database does not answer")
        assert "topsecret" not in result.output
    found = checks(cli, code=1)
    assert found["database"][0] == "problem"
    assert found["settings"] == ("ok", "database PostgreSQL 127.0.0.1:9/nowhere, port 8443")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "createvouchers.db").write_bytes(b"this is no database at all" * 100)
    said = Cli(tmp_path).error("shop", "list", code=ExitCode.STORE_UNAVAILABLE)
    assert said == "the database refused: file is not a database"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"port": "https"}, "CREATEVOUCHERS_PORT: Input should be a valid integer"),
        ({"database_url": "mysql://u:topsecret@h/d"}, "CREATEVOUCHERS_DATABASE_URL: expected an SQLAlchemy URL"),
        ({"database_url": "topsecret"}, "CREATEVOUCHERS_DATABASE_URL: expected an SQLAlchemy URL"),
        ({"log_level": "topsecret"}, "CREATEVOUCHERS_LOG_LEVEL: String should match pattern"),
        ({"trusted_proxies": "10.0.0.0/8,x"}, "CREATEVOUCHERS_TRUSTED_PROXIES: "),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    cli = Cli(tmp_path, **settings)
    error = cli.error("shop", "list", code=ExitCode.USAGE)
    assert error.startswith(said)
    assert "topsecret" not in error
    found = cli.json("doctor", code=1)
    assert [row["found"].startswith(said) for row in found if row["result"] == "problem"] == [True]


def test_wrong_usage(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert cli.error("nonsense", code=2).startswith("No such command 'nonsense'")
    assert cli.error("shop", "show", code=2) == "Missing argument 'SHOP'."
    assert cli.error("shop", "list", "--loud", code=2).startswith("No such option: --loud")
    assert "Commands" in cli.run("shop", code=2).output
    assert cli.run("--version").stdout.strip().count(".") == 2
    assert "--skip-bad" in cli.run("pool", "import", "--help").stdout


def test_a_bug_is_one_line_unless_debugging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*arguments: object) -> None:
        raise KeyError("a voucher code perhaps")

    monkeypatch.setattr("soap_service.cli.shop.manage_shops.list_shops", bug)
    Cli(tmp_path).run("db", "upgrade")
    said = Cli(tmp_path).error("shop", "list", code=ExitCode.INTERNAL)
    assert said == "internal error, a bug: KeyError; with CREATEVOUCHERS_LOG_LEVEL=debug it tells where"
    monkeypatch.setenv("CREATEVOUCHERS_LOG_LEVEL", "debug")
    with pytest.raises(AssertionError, match="KeyError"):
        Cli(tmp_path, log_level="debug").run("shop", "list")


def test_names_cannot_command_the_terminal(store: Store, tmp_path: Path) -> None:
    said = Cli(tmp_path, store).error("shop", "show", "a\x1b[31m\x9b2J\u202eb")
    assert said == "there is no shop a\\x1b[31m\\x9b2J\\x202eb"


# demo


def test_the_demo_is_what_the_quickstart_says(empty: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, empty)
    made = cli.json("demo")
    assert made["shop"] == "TestShop"
    assert made["certificate"] == str(tmp_path / "self-signed.crt")
    assert cli.json("shop", "show", "TestShop") == {
        "shop": "TestShop",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "subshops": ["B2c", "B2B"],
        "vat_ids": [1, 2],
        "version": 8,
        "enabled": True,
    }
    charges = {row["charge"]: row for row in cli.json("charge", "list", "TestShop")}
    assert {
        name: (row["vouchers"], row["pool"], row["has_template"], row["registration_subshop"])
        for name, row in charges.items()
    } == {
        "Anmeldegutschein-B2c": (0, 0, True, "B2c"),
        "NoTemplate": (0, 0, False, None),
        "PoolCharge": (0, 25, False, None),
        "TestCharge": (0, 0, True, None),
        "testid3": (5, 0, False, None),
    }
    assert charges["TestCharge"]["template"] == {
        "Amount": "10.00",
        "AmountType": "0",
        "Currency": "EUR",
        "Subshop": "B2c,B2B",
        "Type": "0",
        "Type2": "1",
        "VATIndex": "-1",
    }
    assert charges["Anmeldegutschein-B2c"]["template"].items() >= {
        ("Amount", "5.00"),
        ("Currency", "EUR"),
        ("ValidUntilDays", "30"),
    }
    assert cli.json("pool", "info", "TestShop", "PoolCharge", "--subshop", "B2c")["available"] == 15


def test_a_second_demo_leaves_everything_as_it_is(empty: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, empty)
    cli.run("demo")
    certificate = (tmp_path / "self-signed.crt").read_bytes()
    house = House(empty)
    drawn = create(house, get_shop(house, "TestShop"), ChargeId="PoolCharge", Pool=True, VoucherCount=5).codes
    cli.run("shop", "password", "TestShop", "--password-stdin", stdin=PASSWORD)
    cli.run("template", "set", "TestShop", "TestCharge", "--set", "Amount=99")
    cli.run("charge", "delete", "TestShop", "NoTemplate", "--yes")
    before = cli.json("charge", "list", "TestShop")
    cli.run("demo")
    after = cli.json("charge", "list", "TestShop")
    assert [row for row in after if row["charge"] != "NoTemplate"] == before
    assert {row["charge"]: row["pool"] for row in after}["PoolCharge"] == 20
    assert cli.json("voucher", "show", "TestShop", drawn[0])["state"] == "issued"
    assert server_options.demo_data.PASSWORD != PASSWORD
    assert (tmp_path / "self-signed.crt").read_bytes() == certificate
    from soap_service.operations.manage_shops import has_password

    assert has_password(House(empty), "TestShop", PASSWORD)


def test_the_demo_stays_out_of_a_database_that_is_used(store: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, store)
    cli.run("shop", "add", "Real", "--password-stdin", stdin=PASSWORD)
    assert "the password of the demo's TestShop is public" in cli.error("demo")
    assert [shop["shop"] for shop in cli.json("shop", "list")] == ["Real"]
    cli.run("demo", "--force")
    assert len(cli.json("shop", "list")) == 2


# What `serve` warns of and prints; the server itself is in test_cli_process.py


def warned(public_demo: bool = False, generated: bool = False, **settings: Any) -> str:
    pair = server_options.Certificate(Path("/c.pem"), None, generated)
    return "\n".join(server_options.warnings(Settings(**settings), pair, public_demo=public_demo))


def test_warnings() -> None:
    assert warned() == ""
    assert "For development only!" in warned(require_tls=False)
    assert "self-signed certificate /c.pem" in warned(generated=True)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert warned(public_demo=True, host=host) == ""
    for host in ("0.0.0.0", "::", "192.168.1.2", "vouchers.example.com"):
        assert "the demo's password, which everybody knows" in warned(public_demo=True, host=host)
        assert warned(public_demo=False, host=host) == ""


@pytest.mark.parametrize(
    ("settings", "url", "name"),
    [
        ({}, "https://localhost:8443/createvouchers", "localhost"),
        ({"host": "0.0.0.0", "port": 1}, "https://localhost:1/createvouchers", "localhost"),
        ({"host": "::1"}, "https://localhost:8443/createvouchers", "localhost"),
        ({"host": "192.168.1.2"}, "https://192.168.1.2:8443/createvouchers", "192.168.1.2"),
        ({"host": "fd00::1"}, "https://[fd00::1]:8443/createvouchers", "fd00::1"),
        ({"tls": False}, "http://localhost:8443/createvouchers", "localhost"),
        ({"public_url": "https://v.example.com/createvouchers"}, None, "v.example.com"),
    ],
)
def test_addresses(settings: dict[str, Any], url: str | None, name: str) -> None:
    read = Settings(**settings)
    assert server_options.hostname(read) == name
    assert url is None or server_options.local_url(read) == url


def test_settings_reach_the_server(tmp_path: Path) -> None:
    settings = Settings(
        host="::1", port=1, plain_port=2, workers=3, threads=5, keepalive=6, request_timeout=7, log_level="error"
    )
    pair = server_options.Certificate(tmp_path / "c", tmp_path / "k", generated=False)
    options = server_options.server_options(settings, pair)
    assert (options.host, options.port, options.plain_port) == ("::1", 1, 2)
    assert (options.workers, options.threads, options.keepalive) == (3, 5, 6)
    assert (options.request_timeout, options.log_level) == (7.0, "error")
    assert (options.certfile, options.keyfile) == (tmp_path / "c", tmp_path / "k")
    assert server_options.server_options(settings, None).certfile is None


def test_no_first_call_where_it_would_be_refused() -> None:
    behind = Settings(tls=False, trusted_proxies=())
    assert server_options.first_call(behind, None) is None
    plain = server_options.first_call(Settings(tls=False, require_tls=False), None)
    assert plain is not None
    assert plain.endswith("http://localhost:8443/createvouchers")
    assert "--cacert" not in plain


def test_a_key_without_a_certificate(sqlite_store: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, sqlite_store, tls_key=str(tmp_path / "key"))
    assert cli.error("serve", code=2) == "CREATEVOUCHERS_TLS_KEY is set: expected CREATEVOUCHERS_TLS_CERT too"


def test_json_is_all_that_is_on_stdout(sqlite_store: Store, tmp_path: Path) -> None:
    cli = Cli(tmp_path, sqlite_store)
    cli.run("demo")
    for command in (
        ("db", "check"),
        ("shop", "list"),
        ("charge", "list", "TestShop"),
        ("registration-voucher", "list", "TestShop"),
        ("pool", "info", "TestShop", "PoolCharge"),
        ("voucher", "list", "TestShop", "testid3"),
        ("doctor",),
    ):
        result = cli.run(*command, "--json")
        assert result.stderr == ""
        json.loads(result.stdout)
