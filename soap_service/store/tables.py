"""The tables. `schema/versions` creates them, `schema/schema.sql` shows the result, a test holds all three equal.

Every key contains `shop_id`, so that the store can be distributed by it. Ids are internal; what the wire
calls ShopID and ChargeId is `name` here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

# The names PostgreSQL itself would give, so that a constraint is called the same on both databases.
metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

# Compared byte by byte everywhere, so that order and equality do not hang on a locale.
BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
ID = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides; SQLite keeps it as text without the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount: NUMERIC(12,2), on SQLite the same as text, since SQLite would make it a float."""

    impl = Numeric(12, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(13) if dialect.name == "sqlite" else Numeric(12, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Decimal | str | None, dialect: Dialect) -> Decimal | None:
        return Decimal(value) if isinstance(value, str) else value


shop = Table(
    "shop",
    metadata,
    Column("shop_id", ID, Identity(), primary_key=True),
    Column("name", BYTEWISE, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("version", SmallInteger, nullable=False, server_default=text("8")),
    Column("currency", String(3), nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("subshops", Text, nullable=False),  # JSON list
    Column("vat_ids", Text, nullable=False),  # JSON list
    Column("created_at", Instant, nullable=False),
)

# Signs page tokens and idempotency fingerprints; shared by all servers of a store.
signing_key = Table(
    "signing_key",
    metadata,
    Column("key_id", ID, Identity(), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# Immutable, shared by all vouchers that have them, found by content hash.
terms = Table(
    "terms",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("terms_id", ID, Identity(), nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("amount", Money),
    Column("amount_type", SmallInteger, nullable=False),
    Column("amounts", Text),
    Column("currency", String(3), nullable=False),
    Column("min_order_value", Money),
    Column("min_order_values", Text),
    Column("max_discount_value", Money),
    Column("max_discount_values", Text),
    Column("subshops", Text),
    Column("keep_surplus", Boolean, nullable=False),
    Column("multiple_customer", Boolean, nullable=False),
    Column("new_customers_only", Boolean, nullable=False),
    Column("existing_customers_only", Boolean, nullable=False),
    Column("binds_customer", Boolean, nullable=False),
    Column("app_only", Boolean, nullable=False),
    Column("free_shipping", Boolean, nullable=False),
    Column("max_uses", Integer),
    Column("max_uses_per_customer", Integer),
    Column("type2", SmallInteger, nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("valid_from_days", Integer),
    Column("valid_until_days", Integer),
    Column("vat_index", Integer, nullable=False),
    Column("customer_filter", Text),
    Column("cat_prod_filter_set_behavior", SmallInteger),
    Column("cat_prod_filter", Text),
    Column("labels", Text),  # JSON list
    Column("active", Boolean, nullable=False),
    PrimaryKeyConstraint("shop_id", "terms_id"),
    UniqueConstraint("shop_id", "content_hash"),
    ForeignKeyConstraint(["shop_id"], ["shop.shop_id"]),
)

# `terms_id` is the charge's own data; with `has_template` new vouchers inherit from it. A charge that is
# deleted keeps its row, because its codes are kept for ever.
charge = Table(
    "charge",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("charge_id", ID, Identity(), nullable=False),
    Column("name", BYTEWISE, nullable=False),
    Column("description", Text),
    Column("terms_id", ID),
    Column("has_template", Boolean, nullable=False),
    Column("subscribe_subshop", BYTEWISE),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    PrimaryKeyConstraint("shop_id", "charge_id"),
    ForeignKeyConstraint(["shop_id"], ["shop.shop_id"]),
    ForeignKeyConstraint(["shop_id", "terms_id"], ["terms.shop_id", "terms.terms_id"]),
    Index(
        "charge_name",
        "shop_id",
        "name",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
        sqlite_where=text("deleted_at IS NULL"),
    ),
    Index(
        "charge_subscribe_subshop",
        "shop_id",
        "subscribe_subshop",
        unique=True,
        postgresql_where=text("deleted_at IS NULL AND subscribe_subshop IS NOT NULL"),
        sqlite_where=text("deleted_at IS NULL AND subscribe_subshop IS NOT NULL"),
    ),
)

# Issued vouchers per charge, kept by every insert and delete; a low fillfactor keeps its updates on the page.
charge_count = Table(
    "charge_count",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("charge_id", ID, nullable=False),
    Column("vouchers", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("shop_id", "charge_id"),
    postgresql_with={"fillfactor": 20},
)

# No foreign keys here: they cost two thirds more per insert. Operations hold the invariant, doctor checks it.
voucher = Table(
    "voucher",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("charge_id", ID, nullable=False),
    Column("terms_id", ID, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("code", BYTEWISE, nullable=False),
    PrimaryKeyConstraint("code", "shop_id"),
    Index("voucher_page", "charge_id", "code", postgresql_include=["shop_id"]),
    postgresql_with={"fillfactor": 90},
    sqlite_with_rowid=False,
)

# A lane is the stock of one import and one set of terms, numbered from 1 in `pool_code`. Drawing moves
# `next_seq`; `holes` counts numbers from next_seq on that have no code any more.
pool_lane = Table(
    "pool_lane",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("lane_id", ID, Identity(), nullable=False),
    Column("charge_id", ID, nullable=False),
    Column("terms_id", ID, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("holes", BigInteger, nullable=False, server_default=text("0")),
    Column("imported_at", Instant, nullable=False),
    PrimaryKeyConstraint("shop_id", "lane_id"),
    ForeignKeyConstraint(["shop_id", "charge_id"], ["charge.shop_id", "charge.charge_id"]),
    ForeignKeyConstraint(["shop_id", "terms_id"], ["terms.shop_id", "terms.terms_id"]),
    Index("pool_lane_charge", "shop_id", "charge_id", "lane_id"),
    postgresql_with={"fillfactor": 20},
)

pool_code = Table(
    "pool_code",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("lane_id", ID, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("code", BYTEWISE, nullable=False),
    PrimaryKeyConstraint("shop_id", "lane_id", "seq"),
    Index("pool_code_code", "code", "shop_id", unique=True),
    sqlite_with_rowid=False,
)

# Answers kept for callers that repeat a call with the same Idempotency-Key.
idempotency = Table(
    "idempotency",
    metadata,
    Column("shop_id", ID, nullable=False),
    Column("idempotency_key", BYTEWISE, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("shop_id", "idempotency_key"),
    ForeignKeyConstraint(["shop_id"], ["shop.shop_id"]),
    Index("idempotency_age", "created_at"),
)
