"""Tell about one charge."""

from __future__ import annotations

from dataclasses import dataclass

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.requests import ChargeInfo
from soap_service.domain.shops import Shop
from soap_service.operations.house import House
from soap_service.store import charges
from soap_service.store.charges import Charge


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """How many vouchers a charge has issued, and whether new ones can inherit from it."""

    voucher_count: int
    has_template: bool


def charge_info(house: House, shop: Shop, request: ChargeInfo, charge: Charge | None = None) -> ChargeFacts:
    """Raises ES028 for an unknown charge. `charge`: the one named, when it has been looked up already."""
    with house.store.read() as connection:
        charge = charge or charges.find(connection, shop.shop_id, request.charge_name)
        if charge is None:
            raise VoucherFault(FaultCode.LISTED_CHARGE_UNKNOWN)
        count = charges.count_vouchers(connection, shop.shop_id, charge.charge_id)
    return ChargeFacts(count, charge.has_template)
