"""Authenticate: whose call is this?"""

from __future__ import annotations

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.shops import REQUIRED_VERSION, Shop
from soap_service.operations.house import House
from soap_service.store import shops
from soap_service.store.charges import Charge


def authenticate(house: House, shop_name: str | None, password: str | None) -> Shop:
    """The shop that calls.

    Raises ES001 when either is missing; ES002, with one text and one timing, when the shop is unknown, the
    password wrong or the shop disabled; ES008 when the shop is of another version (contract, section 2).
    """
    return enter(house, shop_name, password, None)[0]


def enter(
    house: House, shop_name: str | None, password: str | None, charge_name: str | None
) -> tuple[Shop, Charge | None]:
    """The shop that calls and, looked up in the same round trip, the charge it names; raises as `authenticate`."""
    if not shop_name or not password:
        raise VoucherFault(FaultCode.CREDENTIALS_MISSING)
    charge: Charge | None = None
    with house.store.read() as connection:
        if charge_name is None:
            record = shops.find(connection, shop_name)
        else:
            record, charge = shops.find_with_charge(connection, shop_name, charge_name)
    # A disabled shop is treated like no shop, so that a right password is not remembered and then answered faster.
    known = record is not None and record.shop.enabled
    right = house.passwords.verify(shop_name, record.password_hash if record and known else None, password)
    if record is None or not right:
        raise VoucherFault(FaultCode.CREDENTIALS_INVALID)
    if record.shop.version != REQUIRED_VERSION:
        raise VoucherFault(FaultCode.WRONG_SHOP_VERSION)
    return record.shop, charge
