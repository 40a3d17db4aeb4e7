"""The data the benchmark runs on: made in the database by one statement each, and shaped as real ones are."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, func, insert, select, text

from soap_service.clock import utc_now
from soap_service.domain.codes import ALPHABET, CodeMaker
from soap_service.domain.paging import PageTokens
from soap_service.domain.requests import LARGEST_PAGE
from soap_service.domain.terms import Terms
from soap_service.operations.passwords import Passwords
from soap_service.store import charges, migrations, shops, terms
from soap_service.store.engine import Store
from soap_service.store.tables import pool_code, pool_lane, voucher

SHOP, PASSWORD = "TestShop", "geheim"
TEMPLATE, FEW, MANY, POOL = "Template", "Few", "Many", "Pool"

#: Where the deep page is: behind this part of the charge's codes.
DEEP = 0.9
#: How many different pages are asked for where every call asks for another one.
PAGES = 1000

# Sixteen letters of the alphabet from twelve bytes of a hash: each of the 64 signs of base64 becomes a letter.
_CODES = """
    SELECT n, regexp_replace(
        translate(encode(substring(sha256(convert_to(:seed || n, 'UTF8')) FROM 1 FOR 12), 'base64'),
                  :signs, :letters),
        '(....)(....)(....)(....)', '\\1-\\2-\\3-\\4') AS code
    FROM generate_series(1, :count) AS n
"""
_VOUCHERS = text(
    "INSERT INTO voucher (shop_id, charge_id, terms_id, created_at, state, code)"
    f" SELECT :shop_id, :charge_id, :terms_id, now(), 1, code FROM ({_CODES}) AS made"
)
_STOCK = text(
    "INSERT INTO pool_code (shop_id, lane_id, seq, code)"
    f" SELECT :shop_id, :lane_id, n, code FROM ({_CODES}) AS made"
)


@dataclass(frozen=True)
class Loaded:
    """What the requests need to know: how many codes `MANY` has, and tokens of pages deep in it."""

    many: int
    deep_token: str
    tokens: tuple[str, ...]


def load_shop(store: Store) -> None:
    """Migrate the store, and add the shop with a charge that has the documentation's template."""
    migrations.upgrade(store)
    settings = {
        "name": SHOP,
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "subshops": ("B2c", "B2B"),
        "vat_ids": (1, 2),
    }
    with store.write() as transaction:
        shops.add(transaction, settings, Passwords().hash(PASSWORD), utc_now())
        shop_id = _shop_id(transaction)
        _add_charge(store, transaction, shop_id, TEMPLATE, has_template=True)


def load_codes(store: Store, *, many: int, pool: int) -> Loaded:
    """Add a charge of 1000 codes, one of `many` and a pool of `pool`, on PostgreSQL behind `load_shop`."""
    with store.write() as transaction:
        shop_id = _shop_id(transaction)
        _add_vouchers(store, transaction, shop_id, FEW, LARGEST_PAGE)
        many_id = _add_vouchers(store, transaction, shop_id, MANY, many)
        _add_pool(store, transaction, shop_id, pool)
    with store.read() as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))  # not in the middle of what is measured
        tokens = PageTokens(shops.signing_keys(connection), shop_id, many_id)
        codes = select(voucher.c.code).where(voucher.c.charge_id == many_id).order_by(voucher.c.code)
        deep = connection.execute(codes.offset(int(many * DEEP)).limit(1)).scalar_one()
        last_start = connection.execute(codes.offset(many - LARGEST_PAGE - 1).limit(1)).scalar_one()
    # A page may begin behind any text; random codes are evenly spread over the charge's.
    anywhere = [code for code in CodeMaker()(PAGES) if code < last_start]
    return Loaded(many, tokens.make(deep), tuple(map(tokens.make, anywhere)))


def _shop_id(connection: Connection) -> int:
    record = shops.find(connection, SHOP)
    assert record is not None, "the shop is loaded first"
    return record.shop.shop_id


def _add_charge(
    store: Store,
    transaction: Connection,
    shop_id: int,
    name: str,
    *,
    has_template: bool = False,
    vouchers: int = 0,
) -> tuple[int, int]:
    template = Terms(currency="EUR", amount=Decimal("10.00"), subshops=("B2c", "B2B"))
    terms_id = terms.keep(store, transaction, shop_id, template)
    charge_id = charges.add(
        transaction,
        shop_id,
        name,
        utc_now(),
        terms_id=terms_id,
        has_template=has_template,
        vouchers=vouchers,
    )
    assert charge_id is not None, f"charge {name} is there already"
    return charge_id, terms_id


def _add_vouchers(store: Store, transaction: Connection, shop_id: int, name: str, count: int) -> int:
    charge_id, terms_id = _add_charge(store, transaction, shop_id, name, vouchers=count)
    row = {"shop_id": shop_id, "charge_id": charge_id, "terms_id": terms_id}
    transaction.execute(_VOUCHERS, {**row, **_drawn(count)})
    return charge_id


def _add_pool(store: Store, transaction: Connection, shop_id: int, count: int) -> None:
    charge_id, terms_id = _add_charge(store, transaction, shop_id, POOL)
    lane = {"shop_id": shop_id, "charge_id": charge_id, "terms_id": terms_id, "next_seq": 1, "last_seq": count}
    statement = insert(pool_lane).values(**lane, imported_at=utc_now()).returning(pool_lane.c.lane_id)
    lane_id = transaction.execute(statement).scalar_one()
    transaction.execute(_STOCK, {"shop_id": shop_id, "lane_id": lane_id, **_drawn(count)})
    stocked = select(func.count()).select_from(pool_code).where(pool_code.c.lane_id == lane_id)
    assert transaction.execute(stocked).scalar_one() == count


def _drawn(count: int) -> dict[str, str | int]:
    """The parameters of _CODES."""
    signs = string.ascii_letters + string.digits + "+/"
    return {"count": count, "seed": secrets.token_hex(8), "signs": signs, "letters": ALPHABET * 2}
