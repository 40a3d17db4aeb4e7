"""Queries about shops and about the keys that sign for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from soap_service.domain.shops import Shop
from soap_service.store import charges, dialects
from soap_service.store.charges import Charge
from soap_service.store.prepared import Prepared
from soap_service.store.tables import charge, shop, signing_key


@dataclass(frozen=True, slots=True)
class ShopRecord:
    """A shop and the hash of its password."""

    shop: Shop
    password_hash: str


_COLUMNS = (
    shop.c.shop_id,
    shop.c.name,
    shop.c.currency,
    shop.c.time_zone,
    shop.c.subshops,
    shop.c.vat_ids,
    shop.c.version,
    shop.c.enabled,
    shop.c.password_hash,
)
_SELECT = select(*_COLUMNS)
_BY_NAME = Prepared(_SELECT.where(shop.c.name == bindparam("name")))
_WITH_CHARGE = Prepared(
    select(*_COLUMNS, *charges.COLUMNS)
    .select_from(
        shop.outerjoin(
            charge,
            and_(
                charge.c.shop_id == shop.c.shop_id,
                charge.c.name == bindparam("charge"),
                charge.c.deleted_at.is_(None),
            ),
        )
    )
    .where(shop.c.name == bindparam("name"))
)
_KEYS = Prepared(select(signing_key.c.secret).order_by(signing_key.c.key_id))


def find(connection: Connection, name: str) -> ShopRecord | None:
    """The shop with this ShopID, enabled or not."""
    row = _BY_NAME.first(connection, {"name": name})
    return _record(row) if row else None


def find_with_charge(
    connection: Connection, name: str, charge_name: str
) -> tuple[ShopRecord | None, Charge | None]:
    """The shop with this ShopID and its charge with this ChargeId, in one round trip."""
    row = _WITH_CHARGE.first(connection, {"name": name, "charge": charge_name})
    if row is None:
        return None, None
    own, of_charge = row[: len(_COLUMNS)], row[len(_COLUMNS) :]
    return _record(own), Charge(*of_charge) if of_charge[0] is not None else None


def list_all(connection: Connection) -> list[ShopRecord]:
    """Every shop, by ShopID."""
    return [_record(row) for row in connection.execute(_SELECT.order_by(shop.c.name))]


def add(connection: Connection, settings: Mapping[str, Any], password_hash: str, now: datetime) -> bool:
    """A new shop; False when its name is taken. `settings`: the fields of `Shop` but its id."""
    values = {
        **_stored(settings),
        **dialects.next_id(connection, shop.c.shop_id),
        "password_hash": password_hash,
        "created_at": now,
    }
    statement = dialects.insert_or_skip(connection, shop).values(values).returning(shop.c.shop_id)
    return connection.execute(statement).first() is not None


def change(connection: Connection, shop_id: int, settings: Mapping[str, Any]) -> None:
    """Set some of the fields of `Shop`, or `password_hash`."""
    connection.execute(update(shop).where(shop.c.shop_id == shop_id).values(_stored(settings)))


def signing_keys(connection: Connection) -> list[bytes]:
    """The secrets that sign, oldest first."""
    return [secret for (secret,) in _KEYS.rows(connection, {})]


def add_signing_key(connection: Connection, secret: bytes, now: datetime) -> None:
    connection.execute(
        insert(signing_key).values(
            secret=secret, created_at=now, **dialects.next_id(connection, signing_key.c.key_id)
        )
    )


def _stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(list(value), ensure_ascii=False) if name in {"subshops", "vat_ids"} else value
        for name, value in settings.items()
    }


def _record(row: Any) -> ShopRecord:
    shop_id, name, currency, time_zone, subshops, vat_ids, version, enabled, password_hash = row
    return ShopRecord(
        Shop(
            shop_id=shop_id,
            name=name,
            currency=currency,
            time_zone=time_zone,
            subshops=tuple(json.loads(subshops)),
            vat_ids=tuple(json.loads(vat_ids)),
            version=version,
            enabled=enabled,
        ),
        password_hash,
    )
