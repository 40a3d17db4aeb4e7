"""Pools and vouchers by the command line, on both databases."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from soap_service.domain.shops import Shop
from soap_service.operations import show_vouchers
from soap_service.operations.house import House
from soap_service.store import vouchers
from soap_service.store.engine import Store
from tests.support.cli import Cli
from tests.support.factories import create


@pytest.fixture
def cli(store: Store, shop: Shop, tmp_path: Path) -> Cli:
    """With the charge C of TestShop: 10 EUR for B2c, labelled."""
    cli = Cli(tmp_path, store)
    fields = ("--set", "Amount=10", "--set", "Subshop=B2c", "--set", 'ChargeLabel=a "b", c')
    cli.run("charge", "add", "TestShop", "C", *fields)
    return cli


def write(tmp_path: Path, content: str | bytes) -> str:
    file = tmp_path / "codes.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


def test_import_and_info(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "Number;Amount;Subshop\nA-1;;\nA-2;11;\nA-3;11;B2B\nA-4;;\n")
    done = cli.json("pool", "import", "TestShop", "C", file)
    assert {name: value for name, value in done.items() if name != "stock"} == {
        "charge": "C",
        "lines": 4,
        "imported": 4,
        "importable": 4,
        "already_there": 0,
        "already_there_with_other_terms": 0,
        "refused": 0,
        "dry_run": False,
        "header": True,
        "refusals": [],
    }
    assert [(stock["codes"], stock["terms"]["Amount"]) for stock in done["stock"]] == [
        (2, "10.00"),
        (1, "11.00"),
        (1, "11.00"),
    ]
    info = cli.json("pool", "info", "TestShop", "C")
    assert (info["charge"], info["available"]) == ("C", 4)
    assert [stock["available"] for stock in info["stock"]] == [2, 1, 1]
    assert cli.json("pool", "info", "TestShop", "C", "--subshop", "B2B")["available"] == 1
    assert cli.run("pool", "info", "TestShop", "C").stdout.startswith("4 codes wait in the pool of charge C\n")
    again = cli.run("pool", "import", "TestShop", "C", file).stdout
    assert again == "nothing imported (4 lines with a header, 4 already there, 0 refused)\n"


def test_import_from_stdin_with_options(cli: Cli, tmp_path: Path) -> None:
    content = "Number\tBetrag\tChargeLabel\nÜ-1\t3\tx\n".encode("cp1252")
    arguments = ("--encoding", "cp1252", "--delimiter", "tab", "--ignore-unknown", "--set", "Amount=3", "--header")
    done = cli.json("pool", "import", "TestShop", "C", "-", *arguments, stdin=content)
    assert done["imported"] == 1
    assert done["stock"][0]["terms"]["Amount"] == "3.00"
    done = cli.run("pool", "import", "TestShop", "C", "-", "--no-header", stdin="Number\n")
    assert done.stdout == (
        "1 codes imported into the pool of charge C (1 lines without a header, 0 already there, 0 refused)\n"
    )
    assert done.stderr == ""


def test_refused_lines_on_the_screen_and_in_a_report(cli: Cli, tmp_path: Path) -> None:
    lines = [f"A-{number};{'x' if number % 2 else 1}" for number in range(100)]
    file = write(tmp_path, "Number;Amount\n" + "\n".join(lines))
    report = tmp_path / "report.csv"
    failed = cli.run("pool", "import", "TestShop", "C", file, "--report", str(report), code=1)
    assert failed.stdout == "nothing imported (100 lines with a header, 0 already there, 50 refused)\n"
    told = failed.stderr.splitlines()
    assert told[0] == "line 3: Amount: expected a decimal number such as 25.50"
    assert len(told) == 21
    assert told[20] == "and 30 more refused lines (--report FILE has them all)"
    with report.open(newline="") as found:
        rows = list(csv.reader(found))
    assert rows[0] == ["Line", "Reason"]
    assert [int(line) for line, _ in rows[1:]] == list(range(3, 102, 2))
    assert "A-1" not in report.read_text()
    assert cli.json("pool", "info", "TestShop", "C")["available"] == 0
    skipped = cli.json("pool", "import", "TestShop", "C", file, "--skip-bad")
    assert (skipped["imported"], skipped["refused"], len(skipped["refusals"])) == (50, 50, 20)
    assert skipped["refusals"][0] == {"line": 3, "reason": "Amount: expected a decimal number such as 25.50"}


def test_a_dry_run_says_what_would_happen(cli: Cli, tmp_path: Path) -> None:
    good = write(tmp_path, "A-1\nA-2\n")
    assert cli.run("pool", "import", "TestShop", "C", good, "--dry-run").stdout == (
        "dry run: 2 codes would be imported into the pool of charge C "
        "(2 lines without a header, 0 already there, 0 refused)\n"
    )
    bad = write(tmp_path, "A-1\nA-1\n")
    told = cli.run("pool", "import", "TestShop", "C", bad, "--dry-run", code=1)
    assert told.stdout.startswith("dry run: 0 codes would be imported")
    told = cli.run("pool", "import", "TestShop", "C", bad, "--dry-run", "--skip-bad")
    assert told.stdout.startswith("dry run: 1 codes would be imported")
    assert cli.json("pool", "info", "TestShop", "C")["available"] == 0


def test_codes_with_other_terms_are_remarked(cli: Cli, tmp_path: Path) -> None:
    cli.run("pool", "import", "TestShop", "C", write(tmp_path, "A-1\n"))
    again = cli.run("pool", "import", "TestShop", "C", write(tmp_path, "A-1\n"), "--set", "Amount=99")
    assert again.stderr == "1 codes that wait in the pool already keep the terms they have there\n"


POOLS_REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("import", "TestShop", "nowhere", "{file}"), 1, "ES019 ChargeId existiert nicht"),
    (("import", "nowhere", "C", "{file}"), 1, "there is no shop nowhere"),
    (("import", "TestShop", "C", "{file}", "--header"), 1, "the first line is no header with"),
    (("import", "TestShop", "C", "{file}", "--encoding", "x"), 1, "the encoding 'x' is unknown"),
    (("import", "TestShop", "C", "{file}", "--delimiter", ";;"), 2, "--delimiter: expected one character"),
    (("import", "TestShop", "C", "{file}", "--set", "Foo=1"), 2, "--set Foo: expected one of Amount"),
    (("import", "TestShop", "C", "{file}", "--report", "/nowhere/at/all"), 1, "/nowhere/at/all: No such file"),
    (("import", "TestShop", "C", "{file}.gone"), 2, "{file}.gone: expected a file, or - for stdin"),
    (("info", "TestShop", "nowhere"), 1, "ES028 ChargeId existiert nicht in DB."),
    (("info", "TestShop", "C", "--subshop", "x"), 1, "subshop: expected one of the shop: B2c, B2B"),
]


def test_what_is_refused_of_pools(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "A-1\nA-2\n")
    for arguments, code, said in POOLS_REFUSED:
        words = [word.replace("{file}", file) for word in arguments]
        found = cli.error("pool", *words, code=code)
        assert found.startswith(said.replace("{file}", file)), (words, found)


def test_a_voucher_in_every_state_of_its_life(cli: Cli, house: House, shop: Shop, tmp_path: Path) -> None:
    cli.run("pool", "import", "TestShop", "C", write(tmp_path, "P-1\n"))
    waiting = cli.json("voucher", "show", "TestShop", "P-1")
    assert (waiting["state"], waiting["charge"], waiting["created_at"]) == ("in pool", "C", None)
    assert waiting["terms"]["Subshop"] == "B2c"
    create(house, shop, ChargeId="C", Pool=True, VoucherCount=1)
    drawn = cli.json("voucher", "show", "TestShop", "P-1")
    assert (drawn["state"], drawn["created_at"]) == ("issued", "2026-06-15T10:00:00Z")
    assert "Amount                10.00" not in cli.run("voucher", "show", "TestShop", "P-1").stdout
    assert "ChargeLabel" in cli.run("voucher", "show", "TestShop", "P-1").stdout
    with house.store.write() as transaction:
        assert vouchers.delete(transaction, shop.shop_id, "P-1")
    cli.run("charge", "delete", "TestShop", "C", "--yes")
    gone = cli.json("voucher", "show", "TestShop", "P-1")
    assert (gone["state"], gone["charge_deleted"]) == ("deleted", True)
    assert cli.error("voucher", "show", "TestShop", "P-2") == "the shop has no voucher with this number"


def test_listing_in_pages(cli: Cli, house: House, shop: Shop) -> None:
    codes = sorted(create(house, shop, ChargeId="C", VoucherCount=7).codes)
    listed = cli.json("voucher", "list", "TestShop", "C")
    assert [row["number"] for row in listed] == codes
    assert listed[0]["terms"]["ChargeLabel"] == 'a "b", c'
    first = cli.run("voucher", "list", "TestShop", "C", "--limit", "3")
    assert all(code in first.stdout for code in codes[:3])
    assert codes[3] not in first.stdout
    assert first.stderr == f"there are more: --after {codes[2]}, or `voucher export`\n"
    rest = cli.json("voucher", "list", "TestShop", "C", "--limit", "4", "--after", codes[2])
    assert [row["number"] for row in rest] == codes[3:]
    assert cli.error("voucher", "list", "TestShop", "nowhere").startswith("ES028")


def test_export_in_every_form(
    cli: Cli, house: House, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_vouchers, "PAGE", 4)
    codes = create(house, shop, ChargeId="C", VoucherCount=10).codes
    codes += create(house, shop, ChargeId="C", VoucherCount=2, Amount="7.5", Subshop="").codes
    printed = cli.run("voucher", "export", "TestShop", "C").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["Number"] for row in rows] == sorted(codes)
    assert {(row["Amount"], row["Subshop"], row["ChargeLabel"]) for row in rows} == {
        ("10.00", "B2c", 'a "b", c'),
        ("7.50", "", 'a "b", c'),
    }
    lines = [
        json.loads(line) for line in cli.run("voucher", "export", "TestShop", "C", "--json").stdout.splitlines()
    ]
    assert [{name: value for name, value in row.items() if value} for row in rows] == lines
    file = tmp_path / "out.csv"
    file.write_text("an older export")
    told = cli.json("voucher", "export", "TestShop", "C", "--output", str(file))
    assert told == {"charge": "C", "vouchers": 12, "file": str(file)}
    assert file.read_text() == printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    cli.run("voucher", "export", "TestShop", "C", "--output", str(file), "--format", "jsonl")
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines
    assert [path.name for path in tmp_path.iterdir() if "out.csv" in path.name] == ["out.csv"]


def test_an_export_can_be_imported_elsewhere(cli: Cli, house: House, shop: Shop, tmp_path: Path) -> None:
    create(house, shop, ChargeId="C", VoucherCount=3)
    create(
        house, shop, ChargeId="C", VoucherCount=2, Type=3, ValidUntil="2027-01-31", CustomerFilter="<n>1</n>",
        AmountMultiCurrency="EUR:1;CHF:2",
    )  # fmt: skip
    printed = cli.run("voucher", "export", "TestShop", "C").stdout
    cli.run("shop", "add", "Other", "--subshop", "B2c", "--password-stdin", stdin="geheim")
    cli.run("charge", "add", "Other", "C")
    assert cli.json("pool", "import", "Other", "C", "-", stdin=printed)["imported"] == 5
    other = cli.json("pool", "info", "Other", "C")["stock"]
    here = {json.dumps(row["terms"]) for row in cli.json("voucher", "list", "TestShop", "C")}
    assert {json.dumps(stock["terms"]) for stock in other} == here


def test_an_export_that_breaks_off_leaves_the_old_file(
    cli: Cli, house: House, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_vouchers, "PAGE", 2)
    create(house, shop, ChargeId="C", VoucherCount=5)
    page = vouchers.page
    calls: list[str] = []

    def broken(*arguments: object) -> object:
        calls.append("page")
        if len(calls) == 2:
            raise KeyboardInterrupt
        return page(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(vouchers, "page", broken)
    file = tmp_path / "out.csv"
    file.write_text("an older export")
    cli.run("voucher", "export", "TestShop", "C", "--output", str(file), code=130)
    assert file.read_text() == "an older export"
    assert [path.name for path in tmp_path.iterdir() if "out.csv" in path.name] == ["out.csv"]


def test_an_empty_charge(cli: Cli) -> None:
    assert cli.json("voucher", "list", "TestShop", "C") == []
    assert cli.run("voucher", "export", "TestShop", "C").stdout.startswith("Number,Amount,")
    assert cli.run("voucher", "export", "TestShop", "C", "--json").stdout == ""
    assert cli.error("voucher", "export", "TestShop", "nowhere").startswith("ES028")
