"""`createvouchers demo`: everything for a first call."""

from __future__ import annotations

from typing import Annotated

import typer

from soap_service.cli.context import describe, make_directory, open_store, read_settings
from soap_service.cli.output import AsJson, Output
from soap_service.cli.server_options import certificate
from soap_service.operations import demo_data, manage_charges
from soap_service.operations.house import House
from soap_service.store import migrations


def demo(
    force: Annotated[
        bool, typer.Option("--force", help="Also in a database that has other shops, but not the demo's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make database, demo shop and certificate; what is there already stays as it is."""
    settings = read_settings()
    with open_store(settings) as store:
        make_directory(store)
        migrations.upgrade(store)
        house = House(store)
        shop = demo_data.make_demo(house, beside_others=force)
        charges = [facts.charge.name for facts in manage_charges.list_charge_facts(house, shop)]
    pair = certificate(settings)
    database = describe(settings.store_url)
    Output(as_json).done(
        f"shop {shop.name} is ready in {database}: charges {', '.join(charges)}",
        {
            "database": database,
            "shop": shop.name,
            "charges": charges,
            "certificate": str(pair.certfile) if pair else None,
        },
    )
