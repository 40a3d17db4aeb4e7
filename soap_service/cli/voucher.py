"""`createvouchers voucher`: issued vouchers, with their codes, for the operator's eyes."""

from __future__ import annotations

import csv
import io
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from soap_service.cli.context import ChargeArgument, ShopArgument, open_shop
from soap_service.cli.output import AsJson, Output, ProgressBar, json_line, note
from soap_service.domain.terms import BY_WIRE, Terms, to_wire
from soap_service.operations import show_vouchers
from soap_service.operations.pool_file import NUMBER

app = typer.Typer(help="Issued vouchers, with their codes.", no_args_is_help=True)


class Format(StrEnum):
    """How vouchers are exported."""

    CSV = "csv"
    JSONL = "jsonl"


@app.command()
def show(
    shop: ShopArgument,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The voucher number.")],
    as_json: AsJson = False,
) -> None:
    """Show a voucher by its number, also one that waits in a pool."""
    with open_shop(shop) as (house, found):
        facts = show_vouchers.show_voucher(house, found, code)
    shown: dict[str, Any] = {
        "number": facts.code,
        "state": facts.life.value,
        "charge": facts.charge_name,
        "charge_deleted": facts.charge_deleted,
        "created_at": facts.created_at,
    }
    Output(as_json).facts({**shown, "terms": facts.terms} if as_json else {**shown, **to_wire(facts.terms)})


@app.command("list")
def list_(
    shop: ShopArgument,
    charge: ChargeArgument,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option(metavar="CODE", help="Begin behind this number.")] = "",
    as_json: AsJson = False,
) -> None:
    """List issued vouchers of a charge by their numbers."""
    with open_shop(shop) as (house, found):
        pages = show_vouchers.pages(house, found, charge, after, limit + 1)
        vouchers = [voucher for page in pages for voucher in page]
    rows = [{"number": code, "terms": terms} for code, terms in vouchers[:limit]]
    Output(as_json).rows(("number", "terms"), rows, none="no vouchers")
    if len(vouchers) > limit and not as_json:
        note(f"there are more: --after {vouchers[limit - 1][0]}, or `voucher export`")


@app.command()
def export(
    shop: ShopArgument,
    charge: ChargeArgument,
    format_: Annotated[Format, typer.Option("--format", help="CSV with a header, or a JSON object a line.")] = (
        Format.CSV
    ),
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="The file to write; default: stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export all issued vouchers of a charge, with names as on the wire; `pool import` reads the CSV.

    --json is --format jsonl on stdout; with --output it prints what was written.
    """
    if as_json and output is None:
        format_ = Format.JSONL
    to_person = Output(as_json)
    with open_shop(shop) as (house, found):
        total = show_vouchers.count_vouchers(house, found, charge)
        pages = show_vouchers.pages(house, found, charge)
        with to_person.progress("exporting", total) as bar:
            if output is None:
                if isinstance(sys.stdout, io.TextIOWrapper):
                    sys.stdout.reconfigure(encoding="utf-8")  # a file format, whatever the terminal speaks
                _write(sys.stdout, pages, format_, bar)
                return
            with _replacing(output) as file:
                count = _write(file, pages, format_, bar)
    to_person.done(
        f"{count} vouchers of charge {charge} written to {output}",
        {"charge": charge, "vouchers": count, "file": str(output)},
    )


def _write(file: TextIO, pages: Iterator[list[tuple[str, Terms]]], how: Format, bar: ProgressBar) -> int:
    texts: dict[Terms, dict[str, str]] = {}
    names = (NUMBER, *BY_WIRE)
    writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
    if how is Format.CSV:
        writer.writeheader()
    count = 0
    for page in pages:
        if len(texts) > len(page):
            texts.clear()
        for code, terms in page:
            if terms not in texts:
                texts[terms] = to_wire(terms)
            row = {NUMBER: code, **texts[terms]}
            if how is Format.CSV:
                writer.writerow(row)
            else:
                file.write(json_line(row) + "\n")
        count += len(page)
        bar.at(count, f"{count:,} vouchers")
    return count


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A new file for its owner only, which takes its name when it is complete."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
