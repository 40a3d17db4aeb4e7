"""The first tables, and the first key that signs.

Revision: 0001, the first
Date: 2026-11-22
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Frozen: what these names mean in soap_service.store.tables may change, here it may not.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)
MONEY = sa.Numeric(12, 2).with_variant(sa.String(13), "sqlite")


def upgrade() -> None:
    _create_shops()
    _create_charges()
    _create_vouchers()
    _create_pools()
    op.create_table(
        "idempotency",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("idempotency_key", BYTEWISE, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "idempotency_key", name="idempotency_pkey"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.shop_id"], name="idempotency_shop_id_fkey"),
    )
    op.create_index("idempotency_age", "idempotency", ["created_at"])


def downgrade() -> None:
    for table in (
        "idempotency",
        "pool_code",
        "pool_lane",
        "voucher",
        "charge_count",
        "charge",
        "terms",
        "signing_key",
        "shop",
    ):
        op.drop_table(table)


def _create_shops() -> None:
    op.create_table(
        "shop",
        sa.Column("shop_id", ID, sa.Identity(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("version", sa.SmallInteger, nullable=False, server_default=sa.text("8")),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("subshops", sa.Text, nullable=False),
        sa.Column("vat_ids", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("shop_id", name="shop_pkey"),
        sa.UniqueConstraint("name", name="shop_name_key"),
    )
    signing_key = op.create_table(
        "signing_key",
        sa.Column("key_id", ID, sa.Identity(), nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="signing_key_pkey"),
    )
    # Drawn here, so that every server of the store has the same one and nobody has to configure it.
    op.bulk_insert(signing_key, [{"secret": os.urandom(32), "created_at": datetime.now(UTC)}])


def _create_charges() -> None:
    op.create_table(
        "terms",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("terms_id", ID, sa.Identity(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("amount", MONEY),
        sa.Column("amount_type", sa.SmallInteger, nullable=False),
        sa.Column("amounts", sa.Text),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("min_order_value", MONEY),
        sa.Column("min_order_values", sa.Text),
        sa.Column("max_discount_value", MONEY),
        sa.Column("max_discount_values", sa.Text),
        sa.Column("subshops", sa.Text),
        sa.Column("keep_surplus", sa.Boolean, nullable=False),
        sa.Column("multiple_customer", sa.Boolean, nullable=False),
        sa.Column("new_customers_only", sa.Boolean, nullable=False),
        sa.Column("existing_customers_only", sa.Boolean, nullable=False),
        sa.Column("binds_customer", sa.Boolean, nullable=False),
        sa.Column("app_only", sa.Boolean, nullable=False),
        sa.Column("free_shipping", sa.Boolean, nullable=False),
        sa.Column("max_uses", sa.Integer),
        sa.Column("max_uses_per_customer", sa.Integer),
        sa.Column("type2", sa.SmallInteger, nullable=False),
        sa.Column("valid_from", sa.Date),
        sa.Column("valid_until", sa.Date),
        sa.Column("valid_from_days", sa.Integer),
        sa.Column("valid_until_days", sa.Integer),
        sa.Column("vat_index", sa.Integer, nullable=False),
        sa.Column("customer_filter", sa.Text),
        sa.Column("cat_prod_filter_set_behavior", sa.SmallInteger),
        sa.Column("cat_prod_filter", sa.Text),
        sa.Column("labels", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "terms_id", name="terms_pkey"),
        sa.UniqueConstraint("shop_id", "content_hash", name="terms_shop_id_content_hash_key"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.shop_id"], name="terms_shop_id_fkey"),
    )
    op.create_table(
        "charge",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("charge_id", ID, sa.Identity(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("terms_id", ID),
        sa.Column("has_template", sa.Boolean, nullable=False),
        sa.Column("subscribe_subshop", BYTEWISE),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("deleted_at", INSTANT),
        sa.PrimaryKeyConstraint("shop_id", "charge_id", name="charge_pkey"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.shop_id"], name="charge_shop_id_fkey"),
        sa.ForeignKeyConstraint(
            ["shop_id", "terms_id"], ["terms.shop_id", "terms.terms_id"], name="charge_shop_id_terms_id_fkey"
        ),
    )
    # A deleted charge frees its name and its subshop.
    live = sa.text("deleted_at IS NULL")
    op.create_index(
        "charge_name", "charge", ["shop_id", "name"], unique=True, postgresql_where=live, sqlite_where=live
    )
    subscribed = sa.text("deleted_at IS NULL AND subscribe_subshop IS NOT NULL")
    op.create_index(
        "charge_subscribe_subshop",
        "charge",
        ["shop_id", "subscribe_subshop"],
        unique=True,
        postgresql_where=subscribed,
        sqlite_where=subscribed,
    )
    op.create_table(
        "charge_count",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("charge_id", ID, nullable=False),
        sa.Column("vouchers", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("shop_id", "charge_id", name="charge_count_pkey"),
        postgresql_with={"fillfactor": 20},
    )


def _create_vouchers() -> None:
    op.create_table(
        "voucher",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("charge_id", ID, nullable=False),
        sa.Column("terms_id", ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("code", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("code", "shop_id", name="voucher_pkey"),
        postgresql_with={"fillfactor": 90},
        sqlite_with_rowid=False,
    )
    op.create_index("voucher_page", "voucher", ["charge_id", "code"], postgresql_include=["shop_id"])


def _create_pools() -> None:
    op.create_table(
        "pool_lane",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("lane_id", ID, sa.Identity(), nullable=False),
        sa.Column("charge_id", ID, nullable=False),
        sa.Column("terms_id", ID, nullable=False),
        sa.Column("next_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("holes", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("imported_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "lane_id", name="pool_lane_pkey"),
        sa.ForeignKeyConstraint(
            ["shop_id", "charge_id"],
            ["charge.shop_id", "charge.charge_id"],
            name="pool_lane_shop_id_charge_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id", "terms_id"], ["terms.shop_id", "terms.terms_id"], name="pool_lane_shop_id_terms_id_fkey"
        ),
        postgresql_with={"fillfactor": 20},
    )
    op.create_index("pool_lane_charge", "pool_lane", ["shop_id", "charge_id", "lane_id"])
    op.create_table(
        "pool_code",
        sa.Column("shop_id", ID, nullable=False),
        sa.Column("lane_id", ID, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("code", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "lane_id", "seq", name="pool_code_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("pool_code_code", "pool_code", ["code", "shop_id"], unique=True)
