"""Queries that look for what must never be: what the database does not enforce, or is set up not to keep."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, DateTime, func, select, text

from soap_service.store import dialects
from soap_service.store.tables import Instant

# Every statement sees one state of the store, whatever happens meanwhile.
WRONG_COUNTS = text(
    """
    SELECT count(*) FROM charge
    LEFT JOIN charge_count c ON c.shop_id = charge.shop_id AND c.charge_id = charge.charge_id
    LEFT JOIN (
        SELECT shop_id, charge_id, count(*) AS vouchers FROM voucher WHERE state <> 9 GROUP BY shop_id, charge_id
    ) AS v ON v.shop_id = charge.shop_id AND v.charge_id = charge.charge_id
    WHERE c.vouchers IS NULL OR c.vouchers <> coalesce(v.vouchers, 0)
    """
)
LOST_CHARGES = text(
    """
    SELECT coalesce(sum(v.vouchers), 0)
    FROM (SELECT shop_id, charge_id, count(*) AS vouchers FROM voucher GROUP BY shop_id, charge_id) AS v
    WHERE NOT EXISTS (SELECT 1 FROM charge c WHERE c.shop_id = v.shop_id AND c.charge_id = v.charge_id)
    """
)
LOST_TERMS = text(
    """
    SELECT coalesce(sum(v.vouchers), 0)
    FROM (SELECT shop_id, terms_id, count(*) AS vouchers FROM voucher GROUP BY shop_id, terms_id) AS v
    WHERE NOT EXISTS (SELECT 1 FROM terms t WHERE t.shop_id = v.shop_id AND t.terms_id = v.terms_id)
    """
)
WRONG_LANES = text(
    """
    SELECT count(*) FROM pool_lane l
    LEFT JOIN (
        SELECT p.shop_id, p.lane_id, count(*) AS codes
        FROM pool_code p JOIN pool_lane o ON o.shop_id = p.shop_id AND o.lane_id = p.lane_id
        WHERE p.seq >= o.next_seq GROUP BY p.shop_id, p.lane_id
    ) AS c ON c.shop_id = l.shop_id AND c.lane_id = l.lane_id
    WHERE l.last_seq - l.next_seq + 1 - l.holes <> coalesce(c.codes, 0)
    """
)
LOST_STOCK = text(
    """
    SELECT count(*) FROM pool_code p
    WHERE NOT EXISTS (SELECT 1 FROM pool_lane l WHERE l.shop_id = p.shop_id AND l.lane_id = p.lane_id)
    """
)

_POSTGRESQL_DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
_SQLITE_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}


def count(connection: Connection, statement: Any) -> int:
    """The number that one of the statements above finds; 0 is right."""
    return int(connection.execute(statement).scalar_one())


def settings(connection: Connection) -> dict[str, str]:
    """How the database keeps what it has committed: setting -> value."""
    if dialects.is_postgresql(connection):
        return {name: str(connection.exec_driver_sql(f"SHOW {name}").scalar()) for name in _POSTGRESQL_DURABILITY}
    synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    return {
        "journal_mode": str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()),
        "synchronous": _SQLITE_SYNCHRONOUS.get(synchronous, str(synchronous)),
    }


def clock(connection: Connection) -> datetime:
    """The database's present instant."""
    if dialects.is_postgresql(connection):
        now = connection.execute(select(func.clock_timestamp(type_=DateTime(timezone=True)))).scalar_one()
    else:
        now = connection.execute(select(func.strftime("%Y-%m-%d %H:%M:%f", "now", type_=Instant()))).scalar_one()
    assert isinstance(now, datetime)
    return now


def version(connection: Connection) -> str:
    """Name and version of the database."""
    numbers = connection.dialect.server_version_info or ()
    name = "PostgreSQL" if dialects.is_postgresql(connection) else "SQLite"
    return f"{name} {'.'.join(map(str, numbers))}"
