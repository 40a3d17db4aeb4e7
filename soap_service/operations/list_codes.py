"""List the vouchers of a charge, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.paging import PageTokens
from soap_service.domain.requests import ListCodes, check_page_size
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.store import charges, shops, terms, vouchers
from soap_service.store.charges import Charge


@dataclass(frozen=True, slots=True)
class CodesPage:
    """Pairs of code and terms id in bytewise order of the codes, the terms by id, and where to go on.

    `next_token` is None on the last page.
    """

    vouchers: list[tuple[str, int]]
    terms: dict[int, Terms]
    next_token: str | None


def list_codes(house: House, shop: Shop, request: ListCodes, charge: Charge | None = None) -> CodesPage:
    """One page of issued vouchers. `charge`: the one named, when it has been looked up already.

    Raises ES021 for the PageSize, ES028 for an unknown charge, ES027 and ES030 for the token.
    """
    size = check_page_size(request.page_size)
    with house.store.read() as connection:
        charge = charge or charges.find(connection, shop.shop_id, request.charge_name)
        if charge is None:
            raise VoucherFault(FaultCode.LISTED_CHARGE_UNKNOWN)
        tokens = PageTokens(shops.signing_keys(connection), shop.shop_id, charge.charge_id)
        after = tokens.read(request.page_token) if request.page_token is not None else ""
        found = vouchers.page(connection, shop.shop_id, charge.charge_id, after, size + 1)
        more = len(found) > size
        del found[size:]
        known = terms.load(house.store, connection, shop.shop_id, {terms_id for _, terms_id in found})
    return CodesPage(found, known, tokens.make(found[-1][0]) if more else None)
