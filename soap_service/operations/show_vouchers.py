"""Show vouchers to the operator: one by its code, or all of a charge, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.operations.refusal import Refused
from soap_service.store import charges, pools, stock, terms, vouchers

PAGE = 1000


class Life(StrEnum):
    """Where a code is in its life."""

    IN_POOL = "in pool"
    ISSUED = "issued"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """A code, its charge, its terms. `created_at` is None while it waits in a pool."""

    code: str
    charge_name: str
    charge_deleted: bool
    life: Life
    created_at: datetime | None
    terms: Terms


@dataclass(frozen=True, slots=True)
class Lane:
    """Codes that wait in a pool, and the terms they have."""

    available: int
    terms: Terms


def show_voucher(house: House, shop: Shop, code: str) -> VoucherFacts:
    """All about a code, also when it still waits in a pool. Raises Refused when the shop does not know it."""
    with house.store.read() as connection:
        voucher = vouchers.find(connection, shop.shop_id, code)
        if voucher is not None:
            life = Life.DELETED if voucher.state == vouchers.State.DELETED else Life.ISSUED
            created_at, charge_id, terms_id = voucher.created_at, voucher.charge_id, voucher.terms_id
        else:
            waiting = stock.find(connection, shop.shop_id, code)
            if waiting is None:
                raise Refused("the shop has no voucher with this number")
            life, created_at, (charge_id, terms_id) = Life.IN_POOL, None, waiting
        charge = charges.get(connection, shop.shop_id, charge_id)
        known = terms.load(house.store, connection, shop.shop_id, [terms_id])
    if charge is None:
        raise Refused("the voucher's charge is missing from the store: see `createvouchers doctor`")
    return VoucherFacts(code, charge.name, charge.deleted_at is not None, life, created_at, known[terms_id])


def count_vouchers(house: House, shop: Shop, charge_name: str) -> int:
    """How many vouchers the charge has issued. Raises ES028 for an unknown charge."""
    charge_id = _charge_id(house, shop, charge_name)
    with house.store.read() as connection:
        return charges.count_vouchers(connection, shop.shop_id, charge_id)


def pages(
    house: House, shop: Shop, charge_name: str, after: str = "", limit: int | None = None
) -> Iterator[list[tuple[str, Terms]]]:
    """The vouchers of a charge behind the code `after`, bytewise in order, in pages; `limit` of them at most.

    Bounded memory, and no connection or lock is held between pages. Raises ES028 for an unknown charge.
    """
    charge_id = _charge_id(house, shop, charge_name)
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        with house.store.read() as connection:
            found = vouchers.page(connection, shop.shop_id, charge_id, after, size)
            known = terms.load(house.store, connection, shop.shop_id, {terms_id for _, terms_id in found})
        if found:
            yield [(code, known[terms_id]) for code, terms_id in found]
        if len(found) < size:
            return
        after = found[-1][0]
        left = None if left is None else left - size


def pool_lanes(house: House, shop: Shop, charge_name: str, subshop: str | None = None) -> list[Lane]:
    """The stock of a charge by terms, oldest import first; with `subshop` only what is redeemable there.

    Raises ES028 for an unknown charge, Refused for an unknown subshop.
    """
    if subshop is not None and subshop not in shop.subshops:
        raise Refused(f"subshop: expected one of the shop: {', '.join(shop.subshops) or 'it has none'}")
    charge_id = _charge_id(house, shop, charge_name)
    with house.store.read() as connection:
        lanes = pools.lanes(connection, shop.shop_id, charge_id)
        known = terms.load(house.store, connection, shop.shop_id, {lane.terms_id for lane in lanes})
    return [
        Lane(lane.available, known[lane.terms_id])
        for lane in lanes
        if subshop is None or known[lane.terms_id].redeemable_in(subshop)
    ]


def _charge_id(house: House, shop: Shop, charge_name: str) -> int:
    with house.store.read() as connection:
        charge = charges.find(connection, shop.shop_id, charge_name)
    if charge is None:
        raise VoucherFault(FaultCode.LISTED_CHARGE_UNKNOWN)
    return charge.charge_id
