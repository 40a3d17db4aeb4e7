"""The invariants of the store, which foreign keys do not hold for speed."""

from __future__ import annotations

from sqlalchemy import text

from soap_service.store.engine import Store

# Each query lists what must not be.
_WRONG = {
    "charges whose count is not that of their vouchers": """
        SELECT n.charge_id, n.vouchers, count(v.code) FROM charge_count n
        LEFT JOIN voucher v ON v.shop_id = n.shop_id AND v.charge_id = n.charge_id AND v.state <> 9
        GROUP BY n.shop_id, n.charge_id, n.vouchers HAVING n.vouchers <> count(v.code)
    """,
    "charges without a count": """
        SELECT c.charge_id FROM charge c WHERE NOT EXISTS (
            SELECT 1 FROM charge_count n WHERE n.shop_id = c.shop_id AND n.charge_id = c.charge_id)
    """,
    "vouchers without their charge or terms": """
        SELECT v.code FROM voucher v
        LEFT JOIN charge c ON c.shop_id = v.shop_id AND c.charge_id = v.charge_id
        LEFT JOIN terms t ON t.shop_id = v.shop_id AND t.terms_id = v.terms_id
        WHERE c.charge_id IS NULL OR t.terms_id IS NULL
    """,
    "lanes whose numbers and holes do not give the codes they have left": """
        SELECT l.lane_id, l.last_seq - l.next_seq + 1 - l.holes, count(c.code) FROM pool_lane l
        LEFT JOIN pool_code c ON c.shop_id = l.shop_id AND c.lane_id = l.lane_id
            AND c.seq >= l.next_seq AND c.seq <= l.last_seq
        GROUP BY l.shop_id, l.lane_id, l.last_seq, l.next_seq, l.holes
        HAVING l.last_seq - l.next_seq + 1 - l.holes <> count(c.code)
    """,
    "drawn stock that is no voucher": """
        SELECT c.code FROM pool_code c
        JOIN pool_lane l ON l.shop_id = c.shop_id AND l.lane_id = c.lane_id AND c.seq < l.next_seq
        WHERE NOT EXISTS (SELECT 1 FROM voucher v WHERE v.shop_id = c.shop_id AND v.code = c.code)
    """,
}


def assert_books_balance(store: Store) -> None:
    """Fail, saying what is wrong, unless counts, stock and vouchers agree."""
    with store.read() as connection:
        for what, query in _WRONG.items():
            assert connection.execute(text(query)).all() == [], what
