"""Create vouchers: from a template, with a new charge, for a registration, or out of a pool."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from soap_service.domain import requests
from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.requests import CreateVouchers
from soap_service.domain.resolution import check_combination, resolve
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms, check_explicit
from soap_service.operations.house import House
from soap_service.store import charges, pools, terms, vouchers
from soap_service.store.charges import Charge
from soap_service.store.pools import Lane


@dataclass(frozen=True, slots=True)
class CreatedVouchers:
    """The terms all vouchers of the call have, and their codes."""

    terms: Terms
    codes: list[str]


def create_vouchers(
    house: House,
    shop: Shop,
    request: CreateVouchers,
    transaction: Connection | None = None,
    charge: Charge | None = None,
) -> CreatedVouchers:
    """Make the vouchers asked for: all of them or, on any fault, none, no charge and no drawn code.

    Inside `transaction` when one is given, which its owner then commits. `charge`: the one the request names,
    when it has been looked up already. Raises, in this order, ES021 and
    ES017 for values, ES023 for flags that exclude each other, then ES018, ES019, ES020, ES022, ES024 and
    ES009 for what the store says (contract, sections 2 and 3).
    """
    request = _check(request, shop)
    now = house.clock()
    if request.pool:
        return _draw(house, shop, request, now, transaction, charge)
    if request.create_charge and not request.registration:
        return _create_with_charge(house, shop, request, now, transaction)
    with _reading(house, transaction) as connection:
        charge, template_id = _charge_to_inherit_from(connection, shop, request, charge)
        template = terms.load(house.store, connection, shop.shop_id, [template_id])[template_id]
        resolved = resolve(request.explicit, template, currency=shop.currency, today=shop.today(now))
        terms_id = terms.keep(house.store, connection, shop.shop_id, resolved)
    codes = vouchers.issue(
        house.store,
        transaction,
        shop.shop_id,
        charge.charge_id,
        terms_id,
        request.voucher_count,
        house.make_codes,
        now,
    )
    return CreatedVouchers(resolved, codes)


def _check(request: CreateVouchers, shop: Shop) -> CreateVouchers:
    explicit = check_explicit(request.explicit, shop)
    if not request.registration:  # there it is ignored
        requests.check_length("ChargeId", request.charge_name, requests.LONGEST_NAME)
    requests.check_length("ChargeDescr", request.description, requests.LONGEST_DESCRIPTION)
    requests.check_subshop("SubShopValidity", request.subshop_validity, shop)
    check_combination(explicit)
    requests.check_voucher_count(request.voucher_count)
    if request.pool and (request.create_charge or request.registration):
        raise VoucherFault(FaultCode.POOL_EXCLUDES, "Pool", "no CreateCharge or SubscribeVoucher beside it")
    return replace(request, explicit=explicit)


def _reading(house: House, transaction: Connection | None) -> AbstractContextManager[Connection]:
    return house.store.read() if transaction is None else nullcontext(transaction)


def _charge_to_inherit_from(
    connection: Connection, shop: Shop, request: CreateVouchers, charge: Charge | None
) -> tuple[Charge, int]:
    """The charge that gets the vouchers, and the id of its template's terms."""
    if request.registration:
        charge = charges.find_registration_voucher(connection, shop.shop_id, request.registration_subshop or "")
        if charge is None or not charge.has_template or charge.terms_id is None:
            raise VoucherFault(FaultCode.NO_REGISTRATION_VOUCHER)
        return charge, charge.terms_id
    charge = charge or charges.find(connection, shop.shop_id, request.charge_name or "")
    if charge is None:
        raise VoucherFault(FaultCode.CHARGE_UNKNOWN)
    if not charge.has_template or charge.terms_id is None:
        raise VoucherFault(FaultCode.NO_TEMPLATE)
    return charge, charge.terms_id


def _create_with_charge(
    house: House, shop: Shop, request: CreateVouchers, now: datetime, transaction: Connection | None
) -> CreatedVouchers:
    resolved = resolve(request.explicit, None, currency=shop.currency, today=shop.today(now))
    name = request.charge_name or ""
    with _reading(house, transaction) as connection:
        if charges.find(connection, shop.shop_id, name) is not None:
            raise VoucherFault(FaultCode.CHARGE_EXISTS)
        terms_id = terms.keep(house.store, connection, shop.shop_id, resolved)
    with house.store.joined(transaction) as connection:
        charge_id = charges.add(
            connection,
            shop.shop_id,
            name,
            now,
            description=request.description,
            terms_id=terms_id,
            vouchers=request.voucher_count,
        )
        if charge_id is None:
            raise VoucherFault(FaultCode.CHARGE_EXISTS)
        codes = vouchers.issue(
            house.store,
            connection,
            shop.shop_id,
            charge_id,
            terms_id,
            request.voucher_count,
            house.make_codes,
            now,
            counted=False,
        )
    return CreatedVouchers(resolved, codes)


def _draw(
    house: House,
    shop: Shop,
    request: CreateVouchers,
    now: datetime,
    transaction: Connection | None,
    charge: Charge | None,
) -> CreatedVouchers:
    """Take codes from the stock: first without a lock; when others were faster, once more with the lanes locked,
    so that ES024 is never said while there is enough, however many draw at once."""
    try:
        return _take(house, shop, request, now, transaction, charge)
    except pools.StockMoved:
        pass
    with house.store.joined(transaction) as connection:
        try:
            return _take(house, shop, request, now, connection, charge, lock=True)
        except pools.StockMoved:  # codes of these lanes are vouchers already: there is less than it seemed
            raise VoucherFault(FaultCode.POOL_EXHAUSTED, count=request.voucher_count) from None


def _take(
    house: House,
    shop: Shop,
    request: CreateVouchers,
    now: datetime,
    transaction: Connection | None,
    charge: Charge | None,
    *,
    lock: bool = False,
) -> CreatedVouchers:
    count = request.voucher_count
    with _reading(house, transaction) as connection:
        charge = charge or charges.find(connection, shop.shop_id, request.charge_name or "")
        if charge is None:
            raise VoucherFault(FaultCode.CHARGE_UNKNOWN)
        lanes = pools.lanes(connection, shop.shop_id, charge.charge_id, lock=lock)
        known = terms.load(house.store, connection, shop.shop_id, {lane.terms_id for lane in lanes})
        stock = _first_sufficient(_allowed(lanes, known, request.subshop_validity), count)
        if not stock:
            raise VoucherFault(FaultCode.POOL_EXHAUSTED, count=count)
        resolved = resolve(
            request.explicit, known[stock[0].terms_id], currency=shop.currency, today=shop.today(now)
        )
        terms_id = terms.keep(house.store, connection, shop.shop_id, resolved)
    codes = pools.draw(
        house.store, transaction, shop.shop_id, charge.charge_id, terms_id, _shares(stock, count), now
    )
    return CreatedVouchers(resolved, codes)


def _allowed(lanes: Iterable[Lane], known: dict[int, Terms], subshop: str | None) -> list[Lane]:
    return [lane for lane in lanes if subshop is None or known[lane.terms_id].redeemable_in(subshop)]


def _first_sufficient(lanes: list[Lane], count: int) -> list[Lane]:
    """The lanes, oldest first, of the set of terms that has enough and whose stock is the oldest."""
    by_terms: dict[int, list[Lane]] = {}
    for lane in lanes:
        by_terms.setdefault(lane.terms_id, []).append(lane)
    for group in by_terms.values():
        if sum(lane.available for lane in group) >= count:
            return group
    return []


def _shares(lanes: list[Lane], count: int) -> list[tuple[Lane, int]]:
    shares = []
    for lane in lanes:
        share = min(lane.available, count)
        if share:
            shares.append((lane, share))
        count -= share
    return shares
