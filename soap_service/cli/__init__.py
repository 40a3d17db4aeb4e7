"""The operator's command line, `createvouchers`. Every command is documented in docs/cli.md."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from soap_service.cli import charge, db, demo, doctor, pool, probe, registration, serve, shop, template, voucher
from soap_service.cli.errors import PoliteGroup

app = typer.Typer(
    name="createvouchers",
    cls=PoliteGroup,
    help="The voucher service: serve it, and look after its shops, charges and pools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("probe")(probe.probe)
app.add_typer(db.app, name="db")
app.add_typer(shop.app, name="shop")
app.add_typer(charge.app, name="charge")
app.add_typer(template.app, name="template")
app.add_typer(registration.app, name="registration-voucher")
app.add_typer(pool.app, name="pool")
app.add_typer(voucher.app, name="voucher")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(version("createvouchers"))
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not have every letter
    app(prog_name="createvouchers")
