"""`createvouchers registration-voucher`: the templates (Anmeldegutscheine) that belong to subshops."""

from __future__ import annotations

from typing import Annotated

import typer

from soap_service.cli.charge import charge_facts
from soap_service.cli.context import SetOption, ShopArgument, open_shop, read_fields
from soap_service.cli.errors import UsageError
from soap_service.cli.output import AsJson, Output
from soap_service.operations import manage_charges

app = typer.Typer(
    help="Registration vouchers (Anmeldegutscheine): what SubscribeVoucher makes, by subshop.",
    no_args_is_help=True,
)

_Subshop = Annotated[str, typer.Argument(metavar="SUBSHOP", help="The subshop.")]


@app.command("set")
def set_(
    shop: ShopArgument,
    subshop: _Subshop,
    fields: SetOption = None,
    charge_id: Annotated[
        str | None,
        typer.Option(
            help="The charge its vouchers go to; default: the present one, or Anmeldegutschein-SUBSHOP.",
            metavar="CHARGE",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the registration voucher of a subshop, or replace it."""
    texts = read_fields(fields)
    if not texts:
        raise UsageError("a registration voucher without fields: expected --set, such as --set Amount=5.00")
    with open_shop(shop) as (house, found):
        facts = manage_charges.set_registration_voucher(house, found, subshop, texts, charge_name=charge_id)
    Output(as_json).done(
        f"registration voucher of subshop {subshop} set: charge {facts.charge.name}", charge_facts(facts)
    )


@app.command("list")
def list_(shop: ShopArgument, as_json: AsJson = False) -> None:
    """List the registration vouchers of a shop."""
    with open_shop(shop) as (house, found):
        registered = manage_charges.list_registration_vouchers(house, found)
    Output(as_json).rows(
        ("registration_subshop", "charge", "vouchers", "template"),
        [charge_facts(facts) for facts in registered],
        none="the shop has no registration voucher yet: `createvouchers registration-voucher set`",
    )


@app.command()
def remove(shop: ShopArgument, subshop: _Subshop, as_json: AsJson = False) -> None:
    """Remove the registration voucher of a subshop. Its charge and its vouchers stay."""
    with open_shop(shop) as (house, found):
        charge = manage_charges.remove_registration_voucher(house, found, subshop)
    Output(as_json).done(
        f"registration voucher of subshop {subshop} removed; charge {charge} stays",
        {"registration_subshop": subshop, "charge": charge},
    )
