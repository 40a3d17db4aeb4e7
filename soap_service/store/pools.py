"""Queries about pool stock: codes made elsewhere, numbered in lanes, drawn once each.

A lane is the stock of one import and one set of terms. A draw moves the lane's cursor and makes the vouchers
of the numbers it passed in the same transaction: whoever moves the cursor first has the codes, nobody
waits for rows, nobody gets a code twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, exc, exists, func, insert, select, text, update

from soap_service.store import charges
from soap_service.store.engine import Store
from soap_service.store.prepared import Prepared
from soap_service.store.tables import pool_code, pool_lane, voucher


@dataclass(frozen=True, slots=True)
class Lane:
    """Stock still in a lane: `available` codes with the terms `terms_id`; `holes` are numbers without one."""

    lane_id: int
    terms_id: int
    available: int
    holes: int


class StockMoved(Exception):
    """Another draw was faster; look at the lanes again."""


_LANES_STATEMENT = (
    select(
        pool_lane.c.lane_id,
        pool_lane.c.terms_id,
        (pool_lane.c.last_seq - pool_lane.c.next_seq + 1 - pool_lane.c.holes).label("available"),
        pool_lane.c.holes,
    )
    .where(
        pool_lane.c.shop_id == bindparam("shop_id"),
        pool_lane.c.charge_id == bindparam("charge_id"),
        pool_lane.c.next_seq <= pool_lane.c.last_seq,
    )
    .order_by(pool_lane.c.lane_id)
)
_LANES = Prepared(_LANES_STATEMENT)
_LOCK_LANES = _LANES_STATEMENT.with_for_update()


def lanes(connection: Connection, shop_id: int, charge_id: int, *, lock: bool = False) -> list[Lane]:
    """The lanes of a charge that hold stock, oldest import first.

    `lock`: nobody else can draw from them before the transaction ends (on SQLite it is the only writer).
    """
    charge = {"shop_id": shop_id, "charge_id": charge_id}
    rows = connection.execute(_LOCK_LANES, charge) if lock else _LANES.rows(connection, charge)
    return [lane for row in rows if (lane := Lane(*row)).available > 0]


_DRAW = Prepared(
    text(
        # One statement, one round trip: the cursor, the vouchers of the numbers it passed, and the count.
        """
    WITH moved AS (
        UPDATE pool_lane SET next_seq = next_seq + :count
        WHERE shop_id = :shop_id AND lane_id = :lane_id AND holes = 0 AND next_seq + :count <= last_seq + 1
        RETURNING next_seq - :count AS first_seq
    ), taken AS (
        INSERT INTO voucher (shop_id, charge_id, terms_id, created_at, state, code)
        SELECT c.shop_id, :charge_id, :terms_id, :now, 1, c.code
        FROM moved JOIN pool_code c ON c.shop_id = :shop_id AND c.lane_id = :lane_id
            AND c.seq >= moved.first_seq AND c.seq < moved.first_seq + :count
        RETURNING code
    ), counted AS (
        UPDATE charge_count SET vouchers = vouchers + :count FROM moved
        WHERE shop_id = :shop_id AND charge_id = :charge_id
    )
    SELECT code FROM taken
    """
    ).bindparams(bindparam("now", type_=voucher.c.created_at.type))
)

_HERE = and_(pool_lane.c.shop_id == bindparam("shop"), pool_lane.c.lane_id == bindparam("lane"))
_LOCK = update(pool_lane).where(_HERE).values(next_seq=pool_lane.c.next_seq).returning(pool_lane.c.next_seq)
_IN_LANE = and_(
    pool_code.c.shop_id == bindparam("shop"),
    pool_code.c.lane_id == bindparam("lane"),
    pool_code.c.seq >= bindparam("first"),
)
_FREE = (
    select(pool_code.c.seq, pool_code.c.code)
    .where(
        _IN_LANE,
        ~exists().where(voucher.c.code == pool_code.c.code, voucher.c.shop_id == pool_code.c.shop_id),
    )
    .order_by(pool_code.c.seq)
    .limit(bindparam("count"))
)
_PRESENT = select(func.count()).select_from(pool_code).where(_IN_LANE, pool_code.c.seq <= bindparam("last"))
_MOVE = (
    update(pool_lane)
    .where(_HERE)
    .values(next_seq=bindparam("next"), holes=pool_lane.c.holes - bindparam("passed_holes"))
)


def draw(
    store: Store,
    transaction: Connection | None,
    shop_id: int,
    charge_id: int,
    terms_id: int,
    takes: Sequence[tuple[Lane, int]],
    now: datetime,
) -> list[str]:
    """Turn stock into vouchers with the terms `terms_id`: from each lane its number of codes; all or none.

    Raises StockMoved, with nothing taken, when a lane no longer has what it had.
    """
    lane, count = takes[0]
    if transaction is None and store.is_postgresql and len(takes) == 1 and not lane.holes:
        row = {"shop_id": shop_id, "charge_id": charge_id, "terms_id": terms_id, "now": now}
        try:
            with store.read() as connection:
                taken = _DRAW.rows(connection, {**row, "lane_id": lane.lane_id, "count": count})
        except exc.IntegrityError:
            pass  # a code of the lane is a voucher already; the slower way steps over it
        else:
            if not taken:
                raise StockMoved
            return [code for (code,) in taken]
    codes: list[str] = []
    with store.joined(transaction) as connection, connection.begin_nested():
        for lane, count in takes:
            codes += _step(connection, shop_id, lane.lane_id, count)
        connection.execute(
            insert(voucher),
            [
                {
                    "shop_id": shop_id,
                    "charge_id": charge_id,
                    "terms_id": terms_id,
                    "created_at": now,
                    "state": 1,
                    "code": code,
                }
                for code in codes
            ],
        )
        charges.add_to_count(connection, shop_id, charge_id, len(codes))
    return codes


def _step(connection: Connection, shop_id: int, lane_id: int, count: int) -> list[str]:
    """Move a lane's cursor behind its next `count` codes, over holes and codes that are vouchers already."""
    here = {"shop": shop_id, "lane": lane_id}
    first = connection.execute(_LOCK, here).scalar_one()
    free = connection.execute(_FREE, {**here, "first": first, "count": count}).all()
    if len(free) < count:
        raise StockMoved
    last = free[-1].seq
    present = connection.execute(_PRESENT, {**here, "first": first, "last": last}).scalar_one()
    passed_holes = last - first + 1 - present
    connection.execute(_MOVE, {**here, "next": last + 1, "passed_holes": passed_holes})
    return [code for _, code in free]
