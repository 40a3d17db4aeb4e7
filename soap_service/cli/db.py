"""`createvouchers db`: the schema of the database."""

from __future__ import annotations

import typer

from soap_service.cli.context import describe, make_directory, open_house, open_store, read_settings
from soap_service.cli.output import AsJson, Output
from soap_service.store import migrations

app = typer.Typer(help="The schema of the database.", no_args_is_help=True)


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database up to the newest schema, or make it."""
    settings = read_settings()
    with open_store(settings) as store:
        make_directory(store)
        before = migrations.current(store)
        migrations.upgrade(store)
        now = migrations.head()
    Output(as_json).done(
        f"{describe(settings.store_url)} has schema {now}{' already' if before == now else ''}",
        {"database": describe(settings.store_url), "before": before, "schema": now},
    )


@app.command()
def check(as_json: AsJson = False) -> None:
    """Tell whether the database has the newest schema (exit code 4 if not)."""
    settings = read_settings()
    with open_house(settings):
        schema = migrations.head()
    Output(as_json).done(
        f"{describe(settings.store_url)} has schema {schema}, the newest",
        {"database": describe(settings.store_url), "schema": schema},
    )
