"""Queries about a charge as its operator sees it: vouchers and stock beside its data, and the end of stock."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, func, select, update

from soap_service.store.charges import Charge
from soap_service.store.tables import charge, charge_count, pool_code, pool_lane

_LEFT = pool_lane.c.last_seq - pool_lane.c.next_seq + 1 - pool_lane.c.holes

_STOCK = (
    select(pool_lane.c.charge_id, func.sum(_LEFT).label("stock"))
    .where(pool_lane.c.shop_id == bindparam("shop"))
    .group_by(pool_lane.c.charge_id)
    .subquery()
)
_OVERVIEW = (
    select(
        charge.c.charge_id,
        charge.c.name,
        charge.c.description,
        charge.c.terms_id,
        charge.c.has_template,
        charge.c.subscribe_subshop,
        charge.c.created_at,
        charge.c.deleted_at,
        func.coalesce(charge_count.c.vouchers, 0),
        func.coalesce(_STOCK.c.stock, 0),
    )
    .outerjoin(
        charge_count,
        and_(charge_count.c.shop_id == charge.c.shop_id, charge_count.c.charge_id == charge.c.charge_id),
    )
    .outerjoin(_STOCK, _STOCK.c.charge_id == charge.c.charge_id)
    .where(charge.c.shop_id == bindparam("shop"), charge.c.deleted_at.is_(None))
    .order_by(charge.c.name)
)
_CODE = (
    select(pool_lane.c.charge_id, pool_lane.c.terms_id)
    .join(pool_lane, and_(pool_lane.c.shop_id == pool_code.c.shop_id, pool_lane.c.lane_id == pool_code.c.lane_id))
    .where(
        pool_code.c.code == bindparam("code"),
        pool_code.c.shop_id == bindparam("shop"),
        pool_code.c.seq >= pool_lane.c.next_seq,
    )
)
_TERMS = (
    select(pool_lane.c.terms_id)
    .distinct()
    .join(charge, and_(charge.c.shop_id == pool_lane.c.shop_id, charge.c.charge_id == pool_lane.c.charge_id))
    .where(
        pool_lane.c.shop_id == bindparam("shop"),
        pool_lane.c.next_seq <= pool_lane.c.last_seq,
        charge.c.deleted_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class ChargeOverview:
    """A charge, how many vouchers it has issued and how many codes wait in its pool."""

    charge: Charge
    vouchers: int
    stock: int


def overview(connection: Connection, shop_id: int, name: str | None = None) -> list[ChargeOverview]:
    """The charges of a shop by ChargeId, or only the one with this ChargeId; deleted ones are left out."""
    statement = _OVERVIEW if name is None else _OVERVIEW.where(charge.c.name == name)
    rows = connection.execute(statement, {"shop": shop_id})
    return [ChargeOverview(Charge(*row[:-2]), row[-2], int(row[-1])) for row in rows]


def find(connection: Connection, shop_id: int, code: str) -> tuple[int, int] | None:
    """The charge id and terms id of a code that waits in a pool."""
    row = connection.execute(_CODE, {"shop": shop_id, "code": code}).first()
    return (row.charge_id, row.terms_id) if row else None


def terms_in_stock(connection: Connection, shop_id: int) -> set[int]:
    """The terms ids that codes in the pools of a shop have."""
    return set(connection.scalars(_TERMS, {"shop": shop_id}))


def discard(connection: Connection, shop_id: int, charge_id: int) -> int:
    """Empty the pool of a charge; returns how many codes it still had. Their numbers may be imported again."""
    here = and_(pool_lane.c.shop_id == shop_id, pool_lane.c.charge_id == charge_id)
    lanes = connection.execute(
        select(pool_lane.c.lane_id, pool_lane.c.next_seq)
        .where(here, pool_lane.c.next_seq <= pool_lane.c.last_seq)
        .order_by(pool_lane.c.lane_id)
        .with_for_update()
    ).all()
    discarded = 0
    for lane_id, next_seq in lanes:
        discarded += connection.execute(
            delete(pool_code).where(
                pool_code.c.shop_id == shop_id, pool_code.c.lane_id == lane_id, pool_code.c.seq >= next_seq
            )
        ).rowcount
    connection.execute(update(pool_lane).where(here).values(next_seq=pool_lane.c.last_seq + 1, holes=0))
    return discarded
