"""Authenticate: whose call is this?"""

from __future__ import annotations

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.shops import REQUIRED_VERSION, Shop
from soap_service.operations.house import House
from soap_service.store import shops


def authenticate(house: House, shop_name: str | None, password: str | None) -> Shop:
    """The shop that calls.

    Raises ES001 when either is missing; ES002, with one text and one timing, when the shop is unknown, the
    password wrong or the shop disabled; ES008 when the shop is of another version (contract, section 2).
    """
    if not shop_name or not password:
        raise VoucherFault(FaultCode.CREDENTIALS_MISSING)
    with house.store.read() as connection:
        record = shops.find(connection, shop_name)
    # A disabled shop is treated like no shop, so that a right password is not remembered and then answered faster.
    known = record is not None and record.shop.enabled
    right = house.passwords.verify(shop_name, record.password_hash if record and known else None, password)
    if record is None or not right:
        raise VoucherFault(FaultCode.CREDENTIALS_INVALID)
    if record.shop.version != REQUIRED_VERSION:
        raise VoucherFault(FaultCode.WRONG_SHOP_VERSION)
    return record.shop
