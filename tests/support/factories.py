"""Short ways to the things tests begin with: a clock to set, charges, pool stock, vouchers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from soap_service.domain.requests import read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.create_vouchers import CreatedVouchers, create_vouchers
from soap_service.operations.house import House
from soap_service.store import charges, dialects, terms
from soap_service.store.charges import Charge
from soap_service.store.tables import pool_code, pool_lane


class FakeClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: datetime = datetime(2026, 6, 15, 10, tzinfo=UTC)) -> None:
        self._now = now

    def __call__(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Stand at `now`, which must be aware."""
        assert now.tzinfo is not None, "a clock gives aware times"
        self._now = now.astimezone(UTC)

    def advance(self, **by: float) -> None:
        """Go on by a `timedelta(**by)`, such as `hours=24`."""
        self._now += timedelta(**by)


def add_charge(
    house: House,
    shop: Shop,
    name: str,
    template: Terms | None = None,
    subscribe_subshop: str | None = None,
    description: str | None = None,
) -> Charge:
    """Add a charge, with a template if one is given; for a subshop it is that one's registration voucher."""
    with house.store.write() as transaction:
        terms_id = None if template is None else terms.keep(house.store, transaction, shop.shop_id, template)
        charge_id = charges.add(
            transaction,
            shop.shop_id,
            name,
            house.clock(),
            description=description,
            terms_id=terms_id,
            has_template=template is not None,
            subscribe_subshop=subscribe_subshop,
        )
        assert charge_id is not None, f"the name {name!r} or the subshop {subscribe_subshop!r} is taken"
        charge = charges.get(transaction, shop.shop_id, charge_id)
    assert charge is not None
    return charge


def add_pool(house: House, shop: Shop, charge_name: str, codes: Sequence[str], stock_terms: Terms) -> int:
    """Add one lane of pool stock to a charge that is there, its codes in the order given; return its id."""
    with house.store.write() as transaction:
        charge = charges.find(transaction, shop.shop_id, charge_name)
        assert charge is not None, f"no charge {charge_name!r}"
        lane = {
            "shop_id": shop.shop_id,
            "charge_id": charge.charge_id,
            "terms_id": terms.keep(house.store, transaction, shop.shop_id, stock_terms),
            "next_seq": 1,
            "last_seq": len(codes),
            "imported_at": house.clock(),
            **dialects.next_id(transaction, pool_lane.c.lane_id),
        }
        lane_id: int = transaction.execute(
            insert(pool_lane).values(lane).returning(pool_lane.c.lane_id)
        ).scalar_one()
        transaction.execute(
            insert(pool_code),
            [
                {"shop_id": shop.shop_id, "lane_id": lane_id, "seq": seq, "code": code}
                for seq, code in enumerate(codes, 1)
            ],
        )
    return lane_id


def create(house: House, shop: Shop, **wire_fields: str | int | bool | None) -> CreatedVouchers:
    """Call CreateVouchers with wire fields: `create(house, shop, ChargeId="Test", VoucherCount=3)`.

    Python's values become the wire's texts; None leaves the field out.
    """
    return create_vouchers(
        house, shop, read_create_vouchers({name: _text(value) for name, value in wire_fields.items()})
    )


def _text(value: str | int | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
