"""`createvouchers template`: what new vouchers of a charge inherit."""

from __future__ import annotations

from typing import Annotated

import typer

from soap_service.cli.charge import charge_facts
from soap_service.cli.context import ChargeArgument, SetOption, ShopArgument, open_shop, read_fields
from soap_service.cli.errors import UsageError
from soap_service.cli.output import AsJson, Output
from soap_service.domain.terms import to_wire
from soap_service.operations import manage_charges

app = typer.Typer(help="Templates: what new vouchers of a charge inherit.", no_args_is_help=True)


@app.command("set")
def set_(
    shop: ShopArgument,
    charge: ChargeArgument,
    fields: SetOption = None,
    update: Annotated[
        bool, typer.Option("--update", help="Change only these fields of the template that is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give a charge a template, in place of the one it has. Fields not named have their defaults."""
    texts = read_fields(fields)
    if not texts:
        raise UsageError("a template without fields: expected --set, such as --set Amount=10.00")
    with open_shop(shop) as (house, found):
        facts = manage_charges.set_template(house, found, charge, texts, update=update)
    Output(as_json).done(f"template of charge {charge} set", charge_facts(facts))


@app.command()
def show(shop: ShopArgument, charge: ChargeArgument, as_json: AsJson = False) -> None:
    """Show the template of a charge."""
    with open_shop(shop) as (house, found):
        template = manage_charges.get_template(house, found, charge)
    Output(as_json).facts(to_wire(template))


@app.command()
def clear(shop: ShopArgument, charge: ChargeArgument, as_json: AsJson = False) -> None:
    """Take the template from a charge. Vouchers made from it stay as they are."""
    with open_shop(shop) as (house, found):
        manage_charges.clear_template(house, found, charge)
    Output(as_json).done(f"template of charge {charge} cleared", {"charge": charge, "has_template": False})
