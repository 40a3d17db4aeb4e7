"""The demo shop, for a first look and for trying out clients. Its password is public.

What is there is left as it is: a second run resets no password and brings no drawn code back.
"""

from __future__ import annotations

import io

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.requests import read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.operations import manage_charges, manage_shops
from soap_service.operations.create_vouchers import create_vouchers
from soap_service.operations.house import House
from soap_service.operations.import_pool import Options, import_pool
from soap_service.operations.refusal import Refused

SHOP = "TestShop"
PASSWORD = "geheim"  # noqa: S105 - public, and known as such to the checks of `serve`
SUBSHOPS = ("B2c", "B2B")

_TEMPLATE = {
    "Amount": "10.00",
    "AmountType": "0",
    "Currency": "EUR",
    "Subshop": "B2c,B2B",
    "Type": "0",
    "Type2": "1",
    "VATIndex": "-1",
}
_EVERYWHERE, _B2B_ONLY = 15, 10


def make_demo(house: House, *, beside_others: bool = False) -> Shop:
    """The demo shop with all it has, made where it is missing.

    Raises Refused when other shops are there but not this one, unless `beside_others`: a store that is used
    for real should not get a shop whose password everybody knows.
    """
    shops = manage_shops.list_shops(house)
    shop = next((shop for shop in shops if shop.name == SHOP), None)
    if shop is None:
        if shops and not beside_others:
            raise Refused(
                f"the database has shops of its own, and the password of the demo's {SHOP} is public; "
                "expected an empty database"
            )
        shop = manage_shops.add_shop(
            house,
            SHOP,
            PASSWORD,
            currency="EUR",
            time_zone="Europe/Berlin",
            subshops=SUBSHOPS,
            vat_ids=(1, 2),
        )
    known = {facts.charge.name for facts in manage_charges.list_charge_facts(house, shop)}
    if "TestCharge" not in known:
        manage_charges.add_charge(
            house, shop, "TestCharge", description="Template of the interface documentation", template=_TEMPLATE
        )
    if "NoTemplate" not in known:
        manage_charges.add_charge(house, shop, "NoTemplate", description="A charge without a template")
    if "PoolCharge" not in known:
        manage_charges.add_charge(house, shop, "PoolCharge", description="Codes made elsewhere")
    # What was drawn is refused line by line, what waits is already there.
    import_pool(house, shop, "PoolCharge", io.BytesIO(_pool_file()), Options(skip_bad=True))
    registered = {
        facts.charge.subscribe_subshop for facts in manage_charges.list_registration_vouchers(house, shop)
    }
    if "B2c" not in registered:
        manage_charges.set_registration_voucher(
            house, shop, "B2c", {"Amount": "5.00", "Currency": "EUR", "ValidUntilDays": "30"}
        )
    if "testid3" not in known:
        _issue(house, shop)
    return shop


def _issue(house: House, shop: Shop) -> None:
    asked = {"ChargeId": "testid3", "CreateCharge": "true", "VoucherCount": "5", "Amount": "10.00"}
    try:
        create_vouchers(house, shop, read_create_vouchers(asked))
    except VoucherFault as fault:
        if fault.code is not FaultCode.CHARGE_EXISTS:  # another start was faster
            raise


def _pool_file() -> bytes:
    lines = ["Number,Amount,Subshop"]
    for number in range(1, _EVERYWHERE + _B2B_ONLY + 1):
        subshop = "" if number <= _EVERYWHERE else "B2B"
        lines.append(f"POOL-0000-0000-{number:04},10.00,{subshop}")
    return "\n".join(lines).encode()
