"""`createvouchers pool`: codes made elsewhere, waiting to be drawn."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO

import typer

from soap_service.cli.context import ChargeArgument, SetOption, ShopArgument, open_shop, read_fields
from soap_service.cli.errors import ExitCode, UsageError
from soap_service.cli.output import AsJson, Output, ProgressBar, note
from soap_service.operations.import_pool import Imported, Options, Refusal, Step, import_pool
from soap_service.operations.pool_file import FileFormat
from soap_service.operations.show_vouchers import pool_lanes

app = typer.Typer(help="Pools: codes made elsewhere, waiting to be drawn.", no_args_is_help=True)

SHOWN_REFUSALS = 20


@app.command("import")
def import_(
    shop: ShopArgument,
    charge: ChargeArgument,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The file, or - for stdin."),
    ],
    fields: SetOption = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What separates columns: one character, or tab. Default: by the header.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="The encoding of the file.")] = "utf-8",
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first line names the columns. Default: look."),
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Ignore columns of unknown name.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the good lines although others are refused.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write all refused lines as CSV.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import a file of voucher numbers into the pool of a charge.

    CSV with a header (Number, and any fields of the voucher data), or one number a line. All lines or none,
    unless --skip-bad. Importing a file again is harmless.
    """
    options = Options(
        FileFormat(_delimiter(delimiter), encoding, header, ignore_unknown), read_fields(fields), skip_bad, dry_run
    )
    if str(file) != "-" and (file.is_dir() or not file.exists()):
        raise UsageError(f"{file}: expected a file, or - for stdin")
    output = Output(as_json)
    with open_shop(shop) as (house, found), ExitStack() as files:
        refusals = _Refusals(files.enter_context(_create(report)) if report else None)
        source: BinaryIO = sys.stdin.buffer if str(file) == "-" else files.enter_context(file.open("rb"))
        size = file.stat().st_size if file.is_file() else None
        with output.progress("reading", size) as bar:
            imported = import_pool(
                house, found, charge, source, options, progress=_watch(bar, source, size), report=refusals.take
            )
    _tell(output, charge, imported, refusals, options)
    if imported.refused and not skip_bad:
        raise typer.Exit(ExitCode.REFUSED)


@app.command()
def info(
    shop: ShopArgument,
    charge: ChargeArgument,
    subshop: Annotated[str | None, typer.Option(help="Count only what is redeemable there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what waits in the pool of a charge, in the order in which it will be drawn."""
    with open_shop(shop) as (house, found):
        lanes = pool_lanes(house, found, charge, subshop)
    stock = [{"available": lane.available, "terms": lane.terms} for lane in lanes]
    available = sum(lane.available for lane in lanes)
    output = Output(as_json)
    if as_json:
        output.facts({"charge": charge, "available": available, "stock": stock})
        return
    output.done(f"{available} codes wait in the pool of charge {charge}", {})
    if stock:
        output.rows(("available", "terms"), stock, none="")


class _Refusals:
    """Takes the refused lines: the first for the screen, all of them for the report."""

    def __init__(self, file: TextIO | None) -> None:
        self.first: list[Refusal] = []
        self._file = file

    def take(self, refusals: Iterator[Refusal]) -> None:
        writer = csv.writer(self._file) if self._file else None
        if writer:
            writer.writerow(("Line", "Reason"))
        for refusal in refusals:
            if len(self.first) < SHOWN_REFUSALS:
                self.first.append(refusal)
            elif writer is None:
                return
            if writer:
                writer.writerow((refusal.line, refusal.reason))


def _create(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")


def _delimiter(text: str | None) -> str | None:
    if text is None:
        return None
    found = "\t" if text.casefold() in ("tab", "\\t") else text
    if len(found) != 1 or found in '"\r\n ':
        raise UsageError('--delimiter: expected one character other than " or a blank, or tab')
    return found


def _watch(bar: ProgressBar, source: BinaryIO, size: int | None) -> Callable[[Step, int], None]:
    def progress(step: Step, lines: int) -> None:
        done = source.tell() if size is not None and step is Step.READING and not source.closed else size or 0
        bar.at(done, f"{lines:,} lines", step.value)

    return progress


def _tell(output: Output, charge: str, imported: Imported, refusals: _Refusals, options: Options) -> None:
    if output.as_json:
        output.facts(
            {
                "charge": charge,
                "lines": imported.lines,
                "imported": imported.new_codes if imported.stored else 0,
                "importable": imported.new_codes,
                "already_there": imported.already_there,
                "already_there_with_other_terms": imported.with_other_terms,
                "refused": imported.refused,
                "dry_run": options.dry_run,
                "header": imported.has_header,
                "stock": [{"codes": stock.codes, "terms": stock.terms} for stock in imported.new],
                "refusals": [{"line": refusal.line, "reason": refusal.reason} for refusal in refusals.first],
            }
        )
        return
    for refusal in refusals.first:
        note(f"line {refusal.line}: {refusal.reason}")
    if imported.refused > len(refusals.first):
        note(f"and {imported.refused - len(refusals.first)} more refused lines (--report FILE has them all)")
    if imported.with_other_terms:
        note(f"{imported.with_other_terms} codes that wait in the pool already keep the terms they have there")
    how = "lines with a header" if imported.has_header else "lines without a header"
    counts = f"{imported.lines} {how}, {imported.already_there} already there, {imported.refused} refused"
    if imported.stored:
        sentence = f"{imported.new_codes} codes imported into the pool of charge {charge} ({counts})"
    elif options.dry_run:
        could = imported.new_codes if options.skip_bad or not imported.refused else 0
        sentence = f"dry run: {could} codes would be imported into the pool of charge {charge} ({counts})"
    else:
        sentence = f"nothing imported ({counts})"
    output.done(sentence, {})
