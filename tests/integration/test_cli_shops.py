"""Shops, charges, templates and registration vouchers by the command line, on both databases."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from soap_service.domain.faults import VoucherFault
from soap_service.operations.authenticate import authenticate
from soap_service.operations.house import House
from soap_service.operations.manage_shops import get_shop
from soap_service.store.engine import Store
from tests.support.cli import PASSWORD, Cli
from tests.support.factories import create

NAME = "expected 1 to 255 printable characters without blanks around them"


@pytest.fixture
def cli(store: Store, tmp_path: Path) -> Cli:
    return Cli(tmp_path, store)


@pytest.fixture
def shop_cli(cli: Cli) -> Cli:
    """With the shop S: subshops de and at, VAT ids 1 and 2, EUR."""
    options = ("--subshop", "de", "--subshop", "at", "--vat-id", "1", "--vat-id", "2", "--password-stdin")
    cli.run("shop", "add", "S", *options, stdin=PASSWORD)
    return cli


def test_a_shop_from_beginning_to_end(cli: Cli, house: House) -> None:
    added = cli.json(
        "shop", "add", "S", "--currency", "CHF", "--time-zone", "Europe/Zurich",
        "--subshop", "de", "--subshop", "at", "--subshop", "de", "--vat-id", "7", "--password-stdin",
        stdin=f"{PASSWORD}\nmore lines do not matter\n",
    )  # fmt: skip
    assert added == {
        "shop": "S",
        "currency": "CHF",
        "time_zone": "Europe/Zurich",
        "subshops": ["de", "at"],
        "vat_ids": [7],
        "version": 8,
        "enabled": True,
    }
    assert cli.json("shop", "show", "S") == added
    assert cli.json("shop", "list") == [added]
    assert authenticate(house, "S", PASSWORD).name == "S"
    changed = cli.json(
        "shop", "set", "S", "--currency", "EUR", "--time-zone", "UTC", "--add-subshop", "fr",
        "--remove-subshop", "de", "--add-vat-id", "8", "--remove-vat-id", "7", "--shop-version", "7",
    )  # fmt: skip
    assert changed == {
        "shop": "S",
        "currency": "EUR",
        "time_zone": "UTC",
        "subshops": ["at", "fr"],
        "vat_ids": [8],
        "version": 7,
        "enabled": True,
    }
    assert cli.json("shop", "disable", "S")["enabled"] is False
    assert cli.json("shop", "set", "S", "--enabled")["enabled"] is True
    assert cli.json("shop", "set", "S", "--disabled")["enabled"] is False
    assert cli.json("shop", "show", "S") == {**changed, "enabled": False}


def test_a_new_password_ends_the_old_one(shop_cli: Cli, house: House, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes("Grüße, 中\r\nsecond line".encode())
    assert authenticate(house, "S", PASSWORD).name == "S"
    result = shop_cli.run("shop", "password", "S", "--password-file", str(file))
    assert "Grüße" not in result.output
    assert authenticate(house, "S", "Grüße, 中").name == "S"
    with pytest.raises(VoucherFault, match="ES002"):
        authenticate(house, "S", PASSWORD)


def test_passwords_that_no_caller_can_send_are_refused(shop_cli: Cli) -> None:
    for password in ("", " padded ", "tab\tinside", "x" * 256, "\x00"):
        said = shop_cli.error("shop", "password", "S", "--password-stdin", stdin=password + "\n")
        assert said == f"password: {NAME}"


def test_passwords_come_from_one_place_only(shop_cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    both = ("shop", "password", "S", "--password-stdin", "--password-file", str(file))
    assert "expected only one" in shop_cli.error(*both, code=2)
    assert "expected --password-file or --password-stdin" in shop_cli.error("shop", "password", "S", code=2)
    file.write_bytes(b"\xff\xfe")
    said = shop_cli.error("shop", "password", "S", "--password-file", str(file), code=2)
    assert said.endswith("expected UTF-8")


SETTINGS_REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("S", "--currency", "EURO"), "currency: expected an ISO 4217 code such as EUR"),
    (("S", "--time-zone", "Europe/Bärlin"), "time zone: expected an IANA name such as Europe/Berlin"),
    (("S", "--time-zone", "../etc/passwd"), "time zone: expected an IANA name such as Europe/Berlin"),
    (("S", "--time-zone", "Europe"), "time zone: expected an IANA name such as Europe/Berlin"),
    (("S", "--subshop", "a,b"), "subshop: expected a name without a comma"),
    (("S", "--subshop", ""), f"subshop: {NAME}"),
    (("S", "--subshop", "x" * 256), f"subshop: {NAME}"),
    (("S", "--vat-id", "0"), "VAT id: expected 1 to 2147483647 (-1 and 0 always exist)"),
    ((" S",), f"ShopID: {NAME}"),
    (("x" * 256,), f"ShopID: {NAME}"),
]


def test_settings_that_are_refused(cli: Cli) -> None:
    for arguments, said in SETTINGS_REFUSED:
        assert cli.error("shop", "add", *arguments, "--password-stdin", stdin=PASSWORD) == said
    assert cli.json("shop", "list") == []


def test_what_shops_are_not_done(shop_cli: Cli) -> None:
    said = shop_cli.error("shop", "add", "S", "--password-stdin", stdin=PASSWORD)
    assert said == "a shop S exists already"
    assert shop_cli.error("shop", "show", "T") == "there is no shop T"
    assert shop_cli.error("shop", "disable", "T") == "there is no shop T"
    assert shop_cli.error("charge", "list", "T") == "there is no shop T"
    assert "nothing to change" in shop_cli.error("shop", "set", "S", code=2)
    assert shop_cli.error("shop", "set", "S", "--remove-subshop", "fr") == "the shop has no subshop fr"
    assert shop_cli.error("shop", "set", "S", "--remove-vat-id", "9") == "the shop has no VAT id 9"
    assert "valid integer" in shop_cli.error("shop", "set", "S", "--add-vat-id", "x", code=2)


def test_what_is_in_use_cannot_be_removed(shop_cli: Cli, tmp_path: Path) -> None:
    shop_cli.run("charge", "add", "S", "T", "--set", "Amount=1", "--set", "Subshop=de", "--set", "VATIndex=1")
    said = shop_cli.error("shop", "set", "S", "--remove-subshop", "de")
    assert said == "subshop de is named by a template or by pool stock: change that first"
    said = shop_cli.error("shop", "set", "S", "--remove-vat-id", "1")
    assert said == "VAT id 1 is named by a template or by pool stock: change that first"
    shop_cli.run("template", "clear", "S", "T")
    shop_cli.run("registration-voucher", "set", "S", "de", "--set", "Amount=1")
    said = shop_cli.error("shop", "set", "S", "--remove-subshop", "de")
    assert said == "subshop de has the registration voucher Anmeldegutschein-de: remove that first"
    shop_cli.run("registration-voucher", "remove", "S", "de")
    file = tmp_path / "codes.csv"
    file.write_text("Number;Subshop;Amount\n1;de;1\n")
    shop_cli.run("pool", "import", "S", "T", str(file))
    assert "pool stock" in shop_cli.error("shop", "set", "S", "--remove-subshop", "de")
    shop_cli.run("charge", "delete", "S", "T", "--yes")
    assert shop_cli.json("shop", "set", "S", "--remove-subshop", "de")["subshops"] == ["at"]


def test_a_charge_from_beginning_to_end(shop_cli: Cli, house: House) -> None:
    bare = shop_cli.json("charge", "add", "S", "Bare", "--description", "for the pool")
    created_at = bare.pop("created_at")
    assert created_at.endswith("Z")
    assert datetime.fromisoformat(created_at).tzinfo is not None
    assert bare == {
        "charge": "Bare",
        "description": "for the pool",
        "registration_subshop": None,
        "vouchers": 0,
        "pool": 0,
        "has_template": False,
        "template": None,
    }
    full = shop_cli.json("charge", "add", "S", "Full", "--set", "Amount=10", "--set", "ValidUntilDays=30")
    assert full["template"] == {
        "Amount": "10.00",
        "AmountType": "0",
        "Currency": "EUR",
        "Type": "0",
        "Type2": "1",
        "ValidUntilDays": "30",
        "VATIndex": "-1",
    }
    create(house, get_shop(house, "S"), ChargeId="Full", VoucherCount=3)
    listed = shop_cli.json("charge", "list", "S")
    assert [(charge["charge"], charge["vouchers"]) for charge in listed] == [("Bare", 0), ("Full", 3)]
    assert shop_cli.json("charge", "show", "S", "Full") == listed[1]
    assert shop_cli.json("charge", "delete", "S", "Full", "--yes") == {"charge": "Full", "vouchers": 3, "pool": 0}
    assert shop_cli.error("charge", "show", "S", "Full") == "ES019 ChargeId existiert nicht"
    assert shop_cli.json("charge", "add", "S", "Full")["vouchers"] == 0


def test_deleting_asks_or_is_told(shop_cli: Cli) -> None:
    shop_cli.run("charge", "add", "S", "C")
    said = shop_cli.error("charge", "delete", "S", "C", code=2)
    assert said == "no terminal to ask whether to delete: expected --yes"
    assert [charge["charge"] for charge in shop_cli.json("charge", "list", "S")] == ["C"]


CHARGES_REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("charge", "add", "S", "T"), 1, "ES018 ChargeId existiert bereits"),
    (("charge", "add", "S", "$ChargeVal$"), 1, "ChargeId: expected another name than $ChargeVal$"),
    (("charge", "add", "S", "a\nb"), 1, "ChargeId: expected 1 to 255 printable characters"),
    (("charge", "add", "S", "N", "--description", "x" * 4001), 1, "description: expected at most 4000"),
    (("charge", "delete", "S", "N", "--yes"), 1, "ES019 ChargeId existiert nicht"),
    (("charge", "add", "S", "N", "--set", "Amount"), 2, "--set Amount: expected FIELD=VALUE"),
    (("charge", "add", "S", "N", "--set", "Betrag=1"), 2, "--set Betrag: expected one of Amount, AmountType"),
    (("charge", "add", "S", "N", "--set", "Type=1", "--set", "Type=1"), 2, "--set Type: expected once"),
    (
        ("charge", "add", "S", "N", "--set", "Amount=ten"),
        1,
        "ES012 Formatfehler: Amount: expected a decimal number such as 25.50",
    ),
    (
        ("template", "set", "S", "T", "--set", "Subshop=fr"),
        1,
        "ES021 Ungültiger Wert: Subshop: expected subshops of the shop, separated by commas",
    ),
    (
        ("template", "set", "S", "T", "--set", "ValidUntil=2027-01-01", "--set", "ValidUntilDays=3"),
        1,
        "ES021 Ungültiger Wert: ValidUntil: expected either ValidUntil or ValidUntilDays, not both",
    ),
    (("template", "set", "S", "T"), 2, "a template without fields"),
    (("template", "set", "S", "nowhere", "--set", "Amount=1"), 1, "ES019 ChargeId existiert nicht"),
    (("template", "set", "S", "Bare", "--update", "--set", "Amount=1"), 1, "ES020 Charge enthält keine"),
    (("template", "show", "S", "Bare"), 1, "ES020 Charge enthält keine Vorlage"),
    (("template", "clear", "S", "Bare"), 1, "ES020 Charge enthält keine Vorlage"),
    (("registration-voucher", "set", "S", "fr", "--set", "Amount=1"), 1, "subshop: expected one of the"),
    (("registration-voucher", "set", "S", "de"), 2, "a registration voucher without fields"),
    (("registration-voucher", "remove", "S", "de"), 1, "ES022 Ungültiger Subshop für Anmeldegutschein"),
]


def test_what_is_refused_of_charges(shop_cli: Cli) -> None:
    shop_cli.run("charge", "add", "S", "T", "--set", "Amount=5")
    shop_cli.run("charge", "add", "S", "Bare")
    before = shop_cli.json("charge", "list", "S")
    for arguments, code, said in CHARGES_REFUSED:
        found = shop_cli.error(*arguments, code=code)
        assert found.startswith(said), (arguments, found)
    assert shop_cli.json("charge", "list", "S") == before


def test_a_template_is_replaced_or_updated(shop_cli: Cli) -> None:
    def template(*arguments: str) -> dict[str, Any]:
        found = shop_cli.json("template", "set", "S", "T", *arguments)["template"]
        assert found == shop_cli.json("template", "show", "S", "T")
        return {name: found.get(name) for name in ("Amount", "AmountMultiCurrency", "Subshop")}

    shop_cli.run("charge", "add", "S", "T")
    assert template("--set", "Amount=1", "--set", "Subshop=de") == {
        "Amount": "1.00",
        "AmountMultiCurrency": None,
        "Subshop": "de",
    }
    assert template("--update", "--set", "AmountMultiCurrency=EUR:1,CHF:2") == {
        "Amount": None,
        "AmountMultiCurrency": "EUR:1.00;CHF:2.00",
        "Subshop": "de",
    }
    assert template("--update", "--set", "Subshop=")["Subshop"] is None
    assert template("--set", "Subshop=at") == {"Amount": None, "AmountMultiCurrency": None, "Subshop": "at"}
    assert shop_cli.json("template", "clear", "S", "T") == {"charge": "T", "has_template": False}


def test_registration_vouchers(shop_cli: Cli, house: House) -> None:
    shop = get_shop(house, "S")
    asked = {"SubscribeVoucher": True, "SubscribeSubshopID": "de", "VoucherCount": 1}

    def listed() -> list[tuple[str, str]]:
        rows = shop_cli.json("registration-voucher", "list", "S")
        return [(row["registration_subshop"], row["charge"]) for row in rows]

    shop_cli.run("registration-voucher", "set", "S", "de", "--set", "Amount=5", "--set", "ValidUntilDays=30")
    assert listed() == [("de", "Anmeldegutschein-de")]
    assert create(house, shop, **asked).terms.amount == 5
    # Replaced in the same charge; then by another charge, which is there already.
    shop_cli.run("registration-voucher", "set", "S", "de", "--set", "Amount=6")
    assert create(house, shop, **asked).terms.amount == 6
    shop_cli.run("charge", "add", "S", "News", "--set", "Amount=99")
    moved = shop_cli.json("registration-voucher", "set", "S", "de", "--set", "Amount=7", "--charge-id", "News")
    assert (moved["charge"], moved["template"]["Amount"]) == ("News", "7.00")
    assert listed() == [("de", "News")]
    assert create(house, shop, **asked).terms.amount == 7
    old = shop_cli.json("charge", "show", "S", "Anmeldegutschein-de")
    assert (old["vouchers"], old["has_template"], old["registration_subshop"]) == (2, False, None)
    # One charge is the registration voucher of one subshop.
    said = shop_cli.error("registration-voucher", "set", "S", "at", "--set", "Amount=1", "--charge-id", "News")
    assert said == "charge News is the registration voucher of de"
    said = shop_cli.error("template", "clear", "S", "News")
    assert said == "charge News is the registration voucher of de: remove it as that"
    shop_cli.run("registration-voucher", "set", "S", "at", "--set", "Amount=1", "--charge-id", "New-at")
    assert listed() == [("at", "New-at"), ("de", "News")]
    removed = shop_cli.json("registration-voucher", "remove", "S", "de")
    assert removed == {"registration_subshop": "de", "charge": "News"}
    with pytest.raises(VoucherFault, match="ES022"):
        create(house, shop, **asked)
    assert shop_cli.json("charge", "show", "S", "News")["vouchers"] == 1


def test_tables_and_sentences_for_people(shop_cli: Cli) -> None:
    shop_cli.run("charge", "add", "S", "[red]C[/red]", "--set", "Amount=10", "--description", "50 % [off]")
    listed = shop_cli.run("charge", "list", "S").stdout
    assert "[red]C[/red]" in listed
    assert "50 % [off]" in listed
    assert "has template" in listed
    shown = shop_cli.run("charge", "show", "S", "[red]C[/red]").stdout
    assert "Amount=10.00" in shown
    assert shop_cli.run("charge", "delete", "S", "[red]C[/red]", "--yes").stdout == (
        "charge [red]C[/red] deleted, with 0 vouchers and 0 codes in its pool\n"
    )
    empty = shop_cli.run("charge", "list", "S")
    assert (empty.stdout, empty.stderr) == ("", "the shop has no charge yet: `createvouchers charge add`\n")
