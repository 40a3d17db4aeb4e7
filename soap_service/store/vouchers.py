"""Queries about vouchers: issue, page, find, delete.

A code is unique in its shop for ever, deleted vouchers included: their rows stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, bindparam, exc, select, text, update

from soap_service.store import charges, dialects
from soap_service.store.engine import Store
from soap_service.store.prepared import Prepared
from soap_service.store.tables import voucher


class State(IntEnum):
    """Where a voucher is in its life."""

    ISSUED = 1
    DELETED = 9


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher as stored."""

    code: str
    charge_id: int
    terms_id: int
    state: int
    created_at: datetime


class CodesExhausted(RuntimeError):
    """Code after code was taken already: the alphabet is too small for the vouchers there are."""


_ATTEMPTS = 20

_ROWS = """
    INSERT INTO voucher (shop_id, charge_id, terms_id, created_at, state, code)
    SELECT CAST(:shop_id AS bigint), CAST(:charge_id AS bigint), CAST(:terms_id AS bigint), :now, 1, {code}
    FROM {source}
"""
_UNNEST = _ROWS.format(code="new.code", source="unnest(CAST(:codes AS text[])) AS new(code)")
_JSON = _ROWS.format(code="new.value", source="json_each(:codes) AS new WHERE true")

# One round trip and no open transaction: the rows, and the count behind them.
_NOW = bindparam("now", type_=voucher.c.created_at.type)
_ISSUE = Prepared(
    text(
        f"WITH added AS ({_UNNEST} RETURNING 1) "  # noqa: S608 - made of constants
        "UPDATE charge_count SET vouchers = vouchers + (SELECT count(*) FROM added) "
        "WHERE shop_id = :shop_id AND charge_id = :charge_id"
    ).bindparams(_NOW)
)
_ADD_FREE = {
    True: text(_UNNEST + " ON CONFLICT DO NOTHING RETURNING code").bindparams(_NOW),
    False: text(_JSON + " ON CONFLICT DO NOTHING RETURNING code").bindparams(_NOW),
}


def issue(
    store: Store,
    transaction: Connection | None,
    shop_id: int,
    charge_id: int,
    terms_id: int,
    count: int,
    make_codes: Callable[[int], list[str]],
    now: datetime,
    *,
    counted: bool = True,
) -> list[str]:
    """Issue `count` vouchers with new codes and return the codes; all or none.

    A code that is taken is drawn anew; CodesExhausted when that does not end. `counted` False leaves the
    charge's count alone (it was written with the charge).
    """
    row = {"shop_id": shop_id, "charge_id": charge_id, "terms_id": terms_id, "now": now}
    if transaction is None and counted and store.is_postgresql:
        codes = make_codes(count)
        try:
            with store.read() as connection:
                _ISSUE.run(connection, {**row, "codes": dialects.text_array(codes)})
        except exc.IntegrityError:
            pass  # a code is taken; the slower way sorts it out
        else:
            return codes
    with store.joined(transaction) as connection:
        codes = _add_free(connection, row, count, make_codes)
        if counted:
            charges.add_to_count(connection, shop_id, charge_id, count)
    return codes


def _add_free(
    connection: Connection, row: dict[str, Any], count: int, make_codes: Callable[[int], list[str]]
) -> list[str]:
    on_postgresql = dialects.is_postgresql(connection)
    added: list[str] = []
    for _ in range(_ATTEMPTS):
        drawn = make_codes(count - len(added))
        codes = dialects.text_array(drawn) if on_postgresql else json.dumps(drawn)
        added += connection.execute(_ADD_FREE[on_postgresql], {**row, "codes": codes}).scalars()
        if len(added) == count:
            return added
    raise CodesExhausted(f"{count} new codes")


_FIND = select(
    voucher.c.code, voucher.c.charge_id, voucher.c.terms_id, voucher.c.state, voucher.c.created_at
).where(voucher.c.code == bindparam("code"), voucher.c.shop_id == bindparam("shop_id"))

_PAGE = Prepared(
    select(voucher.c.code, voucher.c.terms_id)
    .where(
        voucher.c.charge_id == bindparam("charge_id"),
        voucher.c.shop_id == bindparam("shop_id"),
        voucher.c.code > bindparam("after"),
        voucher.c.state != int(State.DELETED),
    )
    .order_by(voucher.c.code)
    .limit(bindparam("size"))
)


def find(connection: Connection, shop_id: int, code: str) -> Voucher | None:
    """The voucher with this code, whatever its state."""
    row = connection.execute(_FIND, {"shop_id": shop_id, "code": code}).first()
    return Voucher(*row) if row else None


def page(connection: Connection, shop_id: int, charge_id: int, after: str, size: int) -> list[tuple[str, int]]:
    """Up to `size` pairs (code, terms id) of the charge behind the code `after`, bytewise in order."""
    parameters = {"shop_id": shop_id, "charge_id": charge_id, "after": after, "size": size}
    return _PAGE.rows(connection, parameters)


def delete(connection: Connection, shop_id: int, code: str) -> bool:
    """Take a voucher out of everything but the memory of its code; False when there is none."""
    charge_id = connection.execute(
        update(voucher)
        .where(voucher.c.code == code, voucher.c.shop_id == shop_id, voucher.c.state != State.DELETED)
        .values(state=State.DELETED)
        .returning(voucher.c.charge_id)
    ).scalar()
    if charge_id is None:
        return False
    charges.add_to_count(connection, shop_id, charge_id, -1)
    return True
