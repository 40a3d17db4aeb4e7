"""List charges."""

from __future__ import annotations

from dataclasses import dataclass

from soap_service.domain.requests import ChargeType, ListCharges, check_charge_type
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.store import charges, terms


@dataclass(frozen=True, slots=True)
class ListedCharge:
    """A charge and its data; `terms` is None where it has none (a mere pool, say)."""

    name: str
    subscribe_subshop: str | None
    terms: Terms | None


def list_charges(house: House, shop: Shop, request: ListCharges) -> list[ListedCharge]:
    """The shop's charges by ChargeId: those with a template, or all. Raises ES021 for the ChargeType."""
    templates_only = check_charge_type(request.charge_type) is ChargeType.TEMPLATE
    with house.store.read() as connection:
        found = charges.list_all(connection, shop.shop_id, templates_only=templates_only)
        ids = {charge.terms_id for charge in found if charge.terms_id is not None}
        known = terms.load(house.store, connection, shop.shop_id, ids)
    return [
        ListedCharge(
            charge.name,
            charge.subscribe_subshop,
            known[charge.terms_id] if charge.terms_id is not None else None,
        )
        for charge in found
    ]
