"""Queries about answers kept for repeated calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from soap_service.store import dialects
from soap_service.store.tables import idempotency


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to the first call with a key, and the fingerprint of what it asked."""

    fingerprint: bytes
    answer: bytes


def claim(connection: Connection, shop_id: int, key: str) -> bool:
    """Make this transaction the only one that works on the key; False when another one does.

    SQLite has one writer, which this transaction already is.
    """
    if not dialects.is_postgresql(connection):
        return True
    number = func.hashtextextended(f"{shop_id}/{key}", 0)
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(number))).scalar_one())


def find(connection: Connection, shop_id: int, key: str, not_before: datetime) -> KeptAnswer | None:
    """The answer kept under the key, unless it is older than `not_before`."""
    row = connection.execute(
        select(idempotency.c.fingerprint, idempotency.c.answer).where(
            idempotency.c.shop_id == shop_id,
            idempotency.c.idempotency_key == key,
            idempotency.c.created_at >= not_before,
        )
    ).first()
    return KeptAnswer(bytes(row.fingerprint), bytes(row.answer)) if row else None


def keep(connection: Connection, shop_id: int, key: str, fingerprint: bytes, answer: bytes, now: datetime) -> None:
    """Keep an answer in place of an expired one."""
    connection.execute(
        delete(idempotency).where(idempotency.c.shop_id == shop_id, idempotency.c.idempotency_key == key)
    )
    connection.execute(
        insert(idempotency).values(
            shop_id=shop_id, idempotency_key=key, fingerprint=fingerprint, answer=answer, created_at=now
        )
    )


def purge(connection: Connection, older_than: datetime) -> int:
    """Forget the answers older than that; returns how many."""
    return connection.execute(delete(idempotency).where(idempotency.c.created_at < older_than)).rowcount
