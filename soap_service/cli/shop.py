"""`createvouchers shop`: shops and their passwords."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from soap_service.cli.context import ShopArgument, open_house
from soap_service.cli.errors import UsageError
from soap_service.cli.output import AsJson, Output
from soap_service.cli.passwords import PasswordFile, PasswordStdin, new_password
from soap_service.domain.shops import REQUIRED_VERSION, Shop
from soap_service.operations import manage_shops
from soap_service.operations.manage_shops import ShopChanges

app = typer.Typer(help="Shops and their passwords.", no_args_is_help=True)

_VersionOption = typer.Option(
    "--shop-version", min=1, max=99, help=f"Version of the shop system; only {REQUIRED_VERSION} is served."
)


def _facts(shop: Shop) -> dict[str, Any]:
    facts = asdict(shop)
    del facts["shop_id"]
    return {"shop": facts.pop("name"), **facts}


@app.command()
def add(
    shop: ShopArgument,
    currency: Annotated[str, typer.Option(help="Its currency, an ISO 4217 code.")] = "EUR",
    time_zone: Annotated[str, typer.Option(help="Its time zone, an IANA name.")] = "Europe/Berlin",
    subshop: Annotated[list[str] | None, typer.Option(help="A subshop; may be repeated.")] = None,
    vat_id: Annotated[list[int] | None, typer.Option(help="A VAT id besides -1 and 0; may be repeated.")] = None,
    shop_version: Annotated[int, _VersionOption] = REQUIRED_VERSION,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a shop. Its password is asked for, or read from a file or from stdin."""
    with open_house() as house:
        added = manage_shops.add_shop(
            house,
            shop,
            new_password(password_file, password_stdin),
            currency=currency,
            time_zone=time_zone,
            subshops=subshop or (),
            vat_ids=vat_id or (),
            version=shop_version,
        )
    Output(as_json).done(f"shop {shop} added", _facts(added))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the shops."""
    with open_house() as house:
        shops = manage_shops.list_shops(house)
    Output(as_json).rows(
        ("shop", "enabled", "currency", "time_zone", "subshops", "vat_ids"),
        [_facts(shop) for shop in shops],
        none="there is no shop yet: `createvouchers shop add`",
    )


@app.command()
def show(shop: ShopArgument, as_json: AsJson = False) -> None:
    """Show a shop."""
    with open_house() as house:
        found = manage_shops.get_shop(house, shop)
    Output(as_json).facts(_facts(found))


@app.command("set")
def set_(
    shop: ShopArgument,
    currency: Annotated[str | None, typer.Option(help="Its currency, an ISO 4217 code.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Its time zone, an IANA name.")] = None,
    add_subshop: Annotated[list[str] | None, typer.Option(help="A subshop to add; may be repeated.")] = None,
    remove_subshop: Annotated[list[str] | None, typer.Option(help="A subshop to remove; may be repeated.")] = None,
    add_vat_id: Annotated[list[int] | None, typer.Option(help="A VAT id to add; may be repeated.")] = None,
    remove_vat_id: Annotated[list[int] | None, typer.Option(help="A VAT id to remove; may be repeated.")] = None,
    shop_version: Annotated[int | None, _VersionOption] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Whether its calls are answered.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a shop; what is not named stays as it is."""
    changes = ShopChanges(
        currency=currency,
        time_zone=time_zone,
        version=shop_version,
        enabled=enabled,
        add_subshops=add_subshop or (),
        remove_subshops=remove_subshop or (),
        add_vat_ids=add_vat_id or (),
        remove_vat_ids=remove_vat_id or (),
    )
    if changes == ShopChanges():
        raise UsageError("nothing to change: expected an option such as --currency CHF")
    with open_house() as house:
        changed = manage_shops.change_shop(house, shop, changes)
    Output(as_json).done(f"shop {shop} changed", _facts(changed))


@app.command()
def disable(shop: ShopArgument, as_json: AsJson = False) -> None:
    """Refuse every call of a shop from now on (ES002). `shop set --enabled` takes it back."""
    with open_house() as house:
        changed = manage_shops.change_shop(house, shop, ShopChanges(enabled=False))
    Output(as_json).done(f"shop {shop} disabled", _facts(changed))


@app.command()
def password(
    shop: ShopArgument,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Set a shop's password. The old one ends at once."""
    with open_house() as house:
        manage_shops.get_shop(house, shop)
        manage_shops.set_password(house, shop, new_password(password_file, password_stdin))
    Output(as_json).done(f"password of shop {shop} set", {"shop": shop, "password_set": True})
