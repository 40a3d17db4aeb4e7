"""Manage charges: add, look up, delete; their templates; registration vouchers (Anmeldegutscheine)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exc

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.lexical import STRING_SENTINEL
from soap_service.domain.requests import LONGEST_DESCRIPTION
from soap_service.domain.resolution import inherit
from soap_service.domain.shops import Shop
from soap_service.domain.terms import FIELDS, Terms, check_explicit, read_explicit
from soap_service.operations.house import House
from soap_service.operations.refusal import Refused, check_name
from soap_service.store import charges, stock, terms
from soap_service.store.charges import Charge
from soap_service.store.stock import ChargeOverview

# Terms as texts by wire name, ValidFromDays and ValidUntilDays included.
TermTexts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """A charge, its issued vouchers, the codes left in its pool, and its template if it has one."""

    charge: Charge
    vouchers: int
    stock: int
    template: Terms | None


def read_template(shop: Shop, texts: TermTexts, over: Terms | None = None) -> Terms:
    """The terms that the texts say, over those of another template if given, over the defaults.

    Raises ES012 and ES021 as a request with these fields would.
    """
    return inherit(check_explicit(read_explicit(texts, FIELDS), shop), over, shop.currency)


def add_charge(
    house: House, shop: Shop, name: str, *, description: str | None = None, template: TermTexts | None = None
) -> ChargeFacts:
    """A new charge, with a template if one is given.

    Raises ES018 when its ChargeId is taken, ES012 and ES021 for the template, Refused for the names.
    """
    _check_charge_name(name)
    if description is not None and len(description) > LONGEST_DESCRIPTION:
        raise Refused(f"description: expected at most {LONGEST_DESCRIPTION} characters")
    terms_id = None if template is None else _keep(house, shop, read_template(shop, template))
    with house.store.write() as transaction:
        charge_id = charges.add(
            transaction,
            shop.shop_id,
            name,
            house.clock(),
            description=description,
            terms_id=terms_id,
            has_template=terms_id is not None,
        )
    if charge_id is None:
        raise VoucherFault(FaultCode.CHARGE_EXISTS)
    return get_charge(house, shop, name)


def get_charge(house: House, shop: Shop, name: str) -> ChargeFacts:
    """Raises ES019 for an unknown charge."""
    return _facts(house, shop, name)[0]


def list_charge_facts(house: House, shop: Shop) -> list[ChargeFacts]:
    """Every charge of the shop by ChargeId."""
    return _facts(house, shop)


def delete_charge(house: House, shop: Shop, name: str) -> ChargeFacts:
    """Delete a charge and what waits in its pool; its vouchers keep their rows. What it had is returned.

    The ChargeId is free again, and the codes that waited may be imported elsewhere. Raises ES019.
    """
    facts = get_charge(house, shop, name)
    with house.store.write() as transaction:
        charge = _find(transaction, shop, name)
        charges.change(transaction, shop.shop_id, charge.charge_id, deleted_at=house.clock())
        discarded = stock.discard(transaction, shop.shop_id, charge.charge_id)
        vouchers = charges.count_vouchers(transaction, shop.shop_id, charge.charge_id)
    return ChargeFacts(charge, vouchers, discarded, facts.template)


def set_template(house: House, shop: Shop, name: str, texts: TermTexts, *, update: bool = False) -> ChargeFacts:
    """Give a charge a template in place of any other; with `update` fields not said stay as they are.

    Raises ES019 for an unknown charge, ES020 when there is nothing to update, ES012 and ES021 for fields.
    """
    present = get_charge(house, shop, name).template
    if update and present is None:
        raise VoucherFault(FaultCode.NO_TEMPLATE)
    terms_id = _keep(house, shop, read_template(shop, texts, present if update else None))
    with house.store.write() as transaction:
        charge = _find(transaction, shop, name)
        _change(transaction, shop, charge, terms_id=terms_id, has_template=True)
    return get_charge(house, shop, name)


def get_template(house: House, shop: Shop, name: str) -> Terms:
    """Raises ES019 for an unknown charge, ES020 for one without a template."""
    template = get_charge(house, shop, name).template
    if template is None:
        raise VoucherFault(FaultCode.NO_TEMPLATE)
    return template


def clear_template(house: House, shop: Shop, name: str) -> None:
    """Take the template from a charge; vouchers made from it stay as they are.

    Raises ES019, ES020, and Refused for a registration voucher, which is nothing without its template.
    """
    with house.store.write() as transaction:
        charge = _find(transaction, shop, name)
        if not charge.has_template:
            raise VoucherFault(FaultCode.NO_TEMPLATE)
        if charge.subscribe_subshop is not None:
            raise Refused(
                f"charge {name} is the registration voucher of {charge.subscribe_subshop}: remove it as that"
            )
        _change(transaction, shop, charge, has_template=False)


def list_registration_vouchers(house: House, shop: Shop) -> list[ChargeFacts]:
    """The charges that are registration vouchers, by ChargeId."""
    return [facts for facts in _facts(house, shop) if facts.charge.subscribe_subshop is not None]


def set_registration_voucher(
    house: House, shop: Shop, subshop: str, texts: TermTexts, *, charge_name: str | None = None
) -> ChargeFacts:
    """Make a charge the registration voucher of a subshop, in place of any other; made if it is not there.

    `charge_name` None keeps the charge that is it now, or takes `Anmeldegutschein-<subshop>`. Raises Refused
    for an unknown subshop and for a charge that belongs to another subshop, ES012 and ES021 for fields.
    """
    _check_subshop(shop, subshop)
    if charge_name is not None:
        _check_charge_name(charge_name)
    terms_id = _keep(house, shop, read_template(shop, texts))
    values = {"terms_id": terms_id, "has_template": True, "subscribe_subshop": subshop}
    with house.store.write() as transaction:
        present = charges.find_registration_voucher(transaction, shop.shop_id, subshop)
        name = charge_name or (present.name if present else f"Anmeldegutschein-{subshop}")
        charge = charges.find(transaction, shop.shop_id, name)
        if charge is not None and charge.subscribe_subshop not in (None, subshop):
            raise Refused(f"charge {name} is the registration voucher of {charge.subscribe_subshop}")
        if present is not None and present.name != name:
            _change(transaction, shop, present, has_template=False, subscribe_subshop=None)
        if charge is not None:
            _change(transaction, shop, charge, **values)
        elif charges.add(transaction, shop.shop_id, name, house.clock(), **values) is None:  # type: ignore[arg-type]
            raise _meanwhile()
    return get_charge(house, shop, name)


def remove_registration_voucher(house: House, shop: Shop, subshop: str) -> str:
    """Take template and subshop from a subshop's registration voucher; returns its ChargeId.

    The charge and its vouchers stay. Raises ES022 when there is none.
    """
    with house.store.write() as transaction:
        charge = charges.find_registration_voucher(transaction, shop.shop_id, subshop)
        if charge is None:
            raise VoucherFault(FaultCode.NO_REGISTRATION_VOUCHER)
        _change(transaction, shop, charge, has_template=False, subscribe_subshop=None)
    return charge.name


def _facts(house: House, shop: Shop, name: str | None = None) -> list[ChargeFacts]:
    with house.store.read() as connection:
        found = stock.overview(connection, shop.shop_id, name)
        if name is not None and not found:
            raise VoucherFault(FaultCode.CHARGE_UNKNOWN)
        known = terms.load(house.store, connection, shop.shop_id, set(filter(None, map(_template_id, found))))
    return [
        ChargeFacts(entry.charge, entry.vouchers, entry.stock, known.get(_template_id(entry) or 0))
        for entry in found
    ]


def _template_id(entry: ChargeOverview) -> int | None:
    return entry.charge.terms_id if entry.charge.has_template else None


def _keep(house: House, shop: Shop, template: Terms) -> int:
    with house.store.read() as connection:
        return terms.keep(house.store, connection, shop.shop_id, template)


def _find(transaction: Connection, shop: Shop, name: str) -> Charge:
    charge = charges.find(transaction, shop.shop_id, name)
    if charge is None:
        raise VoucherFault(FaultCode.CHARGE_UNKNOWN)
    return charge


def _change(transaction: Connection, shop: Shop, charge: Charge, **values: Any) -> None:
    try:
        charges.change(transaction, shop.shop_id, charge.charge_id, **values)
    except exc.IntegrityError:
        raise _meanwhile() from None


def _meanwhile() -> Refused:
    return Refused("somebody else changed the shop's charges at the same moment: look, and try again")


def _check_charge_name(name: str) -> None:
    check_name("ChargeId", name)
    if name == STRING_SENTINEL:  # nobody could ever ask for it
        raise Refused(f"ChargeId: expected another name than {STRING_SENTINEL}, which means none on the wire")


def _check_subshop(shop: Shop, subshop: str) -> None:
    if subshop not in shop.subshops:
        raise Refused(f"subshop: expected one of the shop: {', '.join(shop.subshops) or 'it has none'}")
