"""`createvouchers probe` against a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.server import Served
from tests.support.world import PASSWORD, SHOP, WRONG_PASSWORD, tally


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def verdicts(cli: Cli, served: Served, *options: str, password: str = PASSWORD, code: int = 0) -> dict[str, Any]:
    """The rows of a probe by name, each `(result, found)`."""
    url = f"https://localhost:{served.server.port}/createvouchers"
    trust = ("--ca", str(served.server.authority.ca_file))
    rows = cli.json(
        "probe", url, "--shop", SHOP, "--password-stdin", *trust, *options, stdin=f"{password}\n", code=code
    )
    return {row["check"]: (row["result"], row["found"]) for row in rows}


def test_a_sound_service_is_found_so_and_nothing_is_changed(cli: Cli, sqlite_served: Served) -> None:
    before = tally(sqlite_served.store)
    found = verdicts(cli, sqlite_served, "--charge", "TestCharge")
    assert {name: result for name, (result, _) in found.items()} == dict.fromkeys(
        ["certificate", "WSDL", "login", "charge info", "pool info", "codes", "create"], "ok"
    )
    assert "would create one voucher from TestCharge" in found["create"][1]
    assert tally(sqlite_served.store) == before


def test_with_create_there_is_one_voucher_more(cli: Cli, sqlite_served: Served) -> None:
    before = tally(sqlite_served.store)
    found = verdicts(cli, sqlite_served, "--charge", "TestCharge", "--create")
    assert found["create"][0] == "ok"
    assert found["create"][1].endswith("from TestCharge: 10.00 EUR")
    assert tally(sqlite_served.store) != before


def test_a_wrong_password_is_a_problem_and_stays_secret(cli: Cli, sqlite_served: Served) -> None:
    found = verdicts(cli, sqlite_served, password=WRONG_PASSWORD, code=1)
    assert found["login"] == ("problem", "ES002 Ungültige ShopID oder ungültiges Passwort")
    assert list(found) == ["certificate", "WSDL", "login"]
    assert WRONG_PASSWORD not in str(found)


def test_an_unknown_charge_is_a_problem(cli: Cli, sqlite_served: Served) -> None:
    found = verdicts(cli, sqlite_served, "--charge", "Nirgends", code=1)
    assert found["charge info"] == ("problem", "ES028 ChargeId existiert nicht in DB.")


def test_a_charge_without_template_is_told(cli: Cli, sqlite_served: Served) -> None:
    found = verdicts(cli, sqlite_served, "--charge", "NoTemplate")
    assert found["create"] == ("warning", "NoTemplate has no template: nothing would be created (ES020)")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://localhost:{port}/createvouchers", "not trusted"),  # no --ca
        ("http://localhost:{port}/createvouchers", "use https"),
        ("https://localhost:1/createvouchers", "no connection to localhost port 1"),
    ],
)
def test_what_stops_a_till_before_its_first_call(cli: Cli, sqlite_served: Served, url: str, told: str) -> None:
    address = url.format(port=sqlite_served.server.port)
    rows = cli.json("probe", address, "--shop", SHOP, "--password-stdin", stdin=f"{PASSWORD}\n", code=1)
    assert [row["result"] for row in rows] == ["problem"]
    assert told in rows[0]["found"]


def test_an_address_that_serves_no_wsdl_is_told(cli: Cli, sqlite_served: Served) -> None:
    url = f"https://localhost:{sqlite_served.server.port}/elsewhere"
    trust = ("--ca", str(sqlite_served.server.authority.ca_file))
    rows = cli.json("probe", url, "--shop", SHOP, "--password-stdin", *trust, stdin=f"{PASSWORD}\n", code=1)
    assert rows[-1]["check"] == "WSDL"
    assert "cannot be read" in rows[-1]["found"]


@pytest.mark.parametrize("url", ["localhost:8443", "ftp://localhost/", "https://localhost:99999/x"])
def test_what_is_no_address_is_wrong_usage(cli: Cli, url: str) -> None:
    assert "expected" in cli.error("probe", url, "--shop", SHOP, "--password-stdin", stdin="x\n", code=2)
