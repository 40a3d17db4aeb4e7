"""`createvouchers charge`: charges of a shop."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from soap_service.cli.context import ChargeArgument, SetOption, ShopArgument, open_shop, read_fields
from soap_service.cli.errors import UsageError, visible
from soap_service.cli.output import AsJson, Output, note
from soap_service.operations import manage_charges
from soap_service.operations.manage_charges import ChargeFacts
from soap_service.operations.refusal import Refused

app = typer.Typer(help="Charges of a shop.", no_args_is_help=True)


def charge_facts(facts: ChargeFacts) -> dict[str, Any]:
    """What commands print of a charge."""
    return {
        "charge": facts.charge.name,
        "description": facts.charge.description,
        "registration_subshop": facts.charge.subscribe_subshop,
        "vouchers": facts.vouchers,
        "pool": facts.stock,
        "created_at": facts.charge.created_at,
        "has_template": facts.template is not None,
        "template": facts.template,
    }


@app.command()
def add(
    shop: ShopArgument,
    charge: ChargeArgument,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    fields: SetOption = None,
    as_json: AsJson = False,
) -> None:
    """Add a charge. With --set it gets a template."""
    template = read_fields(fields) if fields else None
    with open_shop(shop) as (house, found):
        added = manage_charges.add_charge(house, found, charge, description=description, template=template)
    what = "with a template" if template else "without a template"
    Output(as_json).done(f"charge {charge} added, {what}", charge_facts(added))


@app.command("list")
def list_(shop: ShopArgument, as_json: AsJson = False) -> None:
    """List the charges of a shop."""
    with open_shop(shop) as (house, found):
        charges = manage_charges.list_charge_facts(house, found)
    Output(as_json).rows(
        ("charge", "vouchers", "pool", "has_template", "registration_subshop", "description"),
        [charge_facts(facts) for facts in charges],
        none="the shop has no charge yet: `createvouchers charge add`",
    )


@app.command()
def show(shop: ShopArgument, charge: ChargeArgument, as_json: AsJson = False) -> None:
    """Show a charge: its vouchers, its pool, its template."""
    with open_shop(shop) as (house, found):
        facts = manage_charges.get_charge(house, found, charge)
    Output(as_json).facts(charge_facts(facts))


@app.command()
def delete(
    shop: ShopArgument,
    charge: ChargeArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a charge and what waits in its pool. Its vouchers can no longer be listed; their codes stay taken."""
    with open_shop(shop) as (house, found):
        facts = manage_charges.get_charge(house, found, charge)
        if not yes:
            _confirm(facts)
        deleted = manage_charges.delete_charge(house, found, charge)
    Output(as_json).done(
        f"charge {charge} deleted, with {deleted.vouchers} vouchers and {deleted.stock} codes in its pool",
        {"charge": charge, "vouchers": deleted.vouchers, "pool": deleted.stock},
    )


def _confirm(facts: ChargeFacts) -> None:
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask whether to delete: expected --yes")
    note(f"charge {facts.charge.name} has {facts.vouchers} vouchers, and {facts.stock} codes in its pool")
    if not typer.confirm(f"Delete {visible(facts.charge.name)}?", err=True):
        raise Refused("not deleted")
