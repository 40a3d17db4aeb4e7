"""Count the stock of a charge's pool."""

from __future__ import annotations

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.requests import PoolInfo, check_charge_type, check_subshop
from soap_service.domain.shops import Shop
from soap_service.operations.house import House
from soap_service.store import charges, pools, terms
from soap_service.store.charges import Charge


def pool_info(house: House, shop: Shop, request: PoolInfo, charge: Charge | None = None) -> int:
    """How many codes are left to draw, with a subshop given only those redeemable there.

    `charge`: the one named, when it has been looked up already.
    Raises ES021 for ChargeType and SubShopValidity, ES028 for an unknown charge.
    """
    check_charge_type(request.charge_type)
    subshop = check_subshop("SubShopValidity", request.subshop_validity, shop)
    with house.store.read() as connection:
        charge = charge or charges.find(connection, shop.shop_id, request.charge_name)
        if charge is None:
            raise VoucherFault(FaultCode.LISTED_CHARGE_UNKNOWN)
        lanes = pools.lanes(connection, shop.shop_id, charge.charge_id)
        known = terms.load(house.store, connection, shop.shop_id, {lane.terms_id for lane in lanes})
    return sum(lane.available for lane in lanes if subshop is None or known[lane.terms_id].redeemable_in(subshop))
