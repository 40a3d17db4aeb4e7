"""Queries about charges and how many vouchers they have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from soap_service.store import dialects
from soap_service.store.prepared import Prepared
from soap_service.store.tables import charge, charge_count


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as stored. `name` is the ChargeId of the wire, `charge_id` the key inside the store.

    `terms_id` is None for a charge without data of its own; `subscribe_subshop` is set for a registration
    voucher (Anmeldegutschein).
    """

    charge_id: int
    name: str
    description: str | None
    terms_id: int | None
    has_template: bool
    subscribe_subshop: str | None
    created_at: datetime
    deleted_at: datetime | None


COLUMNS = (
    charge.c.charge_id,
    charge.c.name,
    charge.c.description,
    charge.c.terms_id,
    charge.c.has_template,
    charge.c.subscribe_subshop,
    charge.c.created_at,
    charge.c.deleted_at,
)
_SELECT = select(*COLUMNS)
_LIVE = _SELECT.where(charge.c.shop_id == bindparam("shop_id"), charge.c.deleted_at.is_(None))
_BY_NAME = Prepared(_LIVE.where(charge.c.name == bindparam("name")))
_BY_SUBSHOP = Prepared(_LIVE.where(charge.c.subscribe_subshop == bindparam("subshop")))
_BY_ID = _SELECT.where(charge.c.shop_id == bindparam("shop_id"), charge.c.charge_id == bindparam("charge_id"))
_COUNT = Prepared(
    select(charge_count.c.vouchers).where(
        charge_count.c.shop_id == bindparam("shop_id"), charge_count.c.charge_id == bindparam("charge_id")
    )
)


def find(connection: Connection, shop_id: int, name: str) -> Charge | None:
    """The charge with this ChargeId, unless deleted."""
    return _charge(_BY_NAME.first(connection, {"shop_id": shop_id, "name": name}))


def find_registration_voucher(connection: Connection, shop_id: int, subshop: str) -> Charge | None:
    """The charge whose template is the registration voucher of this subshop."""
    return _charge(_BY_SUBSHOP.first(connection, {"shop_id": shop_id, "subshop": subshop}))


def get(connection: Connection, shop_id: int, charge_id: int) -> Charge | None:
    """The charge with this internal id, deleted or not."""
    return _charge(connection.execute(_BY_ID, {"shop_id": shop_id, "charge_id": charge_id}).first())


def list_all(connection: Connection, shop_id: int, *, templates_only: bool) -> list[Charge]:
    """Charges by ChargeId, bytewise; deleted ones are left out."""
    statement = _LIVE.where(charge.c.has_template) if templates_only else _LIVE
    rows = connection.execute(statement.order_by(charge.c.name), {"shop_id": shop_id})
    return [Charge(*row) for row in rows]


def add(
    connection: Connection,
    shop_id: int,
    name: str,
    now: datetime,
    *,
    description: str | None = None,
    terms_id: int | None = None,
    has_template: bool = False,
    subscribe_subshop: str | None = None,
    vouchers: int = 0,
) -> int | None:
    """A new charge with its count of vouchers; None when its ChargeId (or its subshop) is taken.

    Of several callers at once exactly one gets the id.
    """
    values = {
        "shop_id": shop_id,
        "name": name,
        "description": description,
        "terms_id": terms_id,
        "has_template": has_template,
        "subscribe_subshop": subscribe_subshop,
        "created_at": now,
        **dialects.next_id(connection, charge.c.charge_id),
    }
    statement = dialects.insert_or_skip(connection, charge).values(values).returning(charge.c.charge_id)
    charge_id: int | None = connection.execute(statement).scalar()
    if charge_id is not None:
        connection.execute(insert(charge_count).values(shop_id=shop_id, charge_id=charge_id, vouchers=vouchers))
    return charge_id


def change(connection: Connection, shop_id: int, charge_id: int, **values: Any) -> None:
    """Set columns of one charge."""
    connection.execute(
        update(charge)
        .where(charge.c.shop_id == shop_id, charge.c.charge_id == charge_id, charge.c.deleted_at.is_(None))
        .values(values)
    )


def count_vouchers(connection: Connection, shop_id: int, charge_id: int) -> int:
    """How many vouchers the charge has issued."""
    row = _COUNT.first(connection, {"shop_id": shop_id, "charge_id": charge_id})
    return int(row[0]) if row else 0


def add_to_count(connection: Connection, shop_id: int, charge_id: int, change_by: int) -> None:
    """Correct the count after vouchers came or went, last in their transaction."""
    connection.execute(
        update(charge_count)
        .where(charge_count.c.shop_id == shop_id, charge_count.c.charge_id == charge_id)
        .values(vouchers=charge_count.c.vouchers + change_by)
    )


def _charge(row: Any) -> Charge | None:
    return Charge(*row) if row else None
