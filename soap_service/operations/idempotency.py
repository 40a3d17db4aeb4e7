"""Answer a repeated call as the first one was answered.

Source: contract, section 4, `Idempotency-Key`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from soap_service.domain.faults import bad_format, bad_value
from soap_service.domain.shops import Shop
from soap_service.operations.house import House, unavailable
from soap_service.store import idempotency, shops

KEPT_FOR = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def check_key(key: str) -> None:
    """1 to 255 visible ASCII characters; anything else is ES012."""
    if not _KEY.fullmatch(key):
        raise bad_format("Idempotency-Key", "1 to 255 visible ASCII characters")


def answer_once(house: House, shop: Shop, key: str, request: bytes, work: Callable[[Connection], bytes]) -> bytes:
    """The answer of the first call with this key in the last 24 hours, or that of `work`, which is kept.

    `work` runs in the transaction that keeps its answer: both are there or neither is. A fault is not kept.
    `request` are the bytes of the call; the same key with others is ES021. A twin still running is ES005.
    """
    check_key(key)
    now = house.clock()
    with house.store.write() as transaction:
        if not idempotency.claim(transaction, shop.shop_id, key):
            raise unavailable()
        # Keyed, because the request holds a password.
        secret = shops.signing_keys(transaction)[0]
        fingerprint = hmac.new(secret, request, hashlib.sha256).digest()
        kept = idempotency.find(transaction, shop.shop_id, key, now - KEPT_FOR)
        if kept is None:
            answer = work(transaction)
            idempotency.keep(transaction, shop.shop_id, key, fingerprint, answer, now)
            return answer
    if not hmac.compare_digest(kept.fingerprint, fingerprint):
        raise bad_value("Idempotency-Key", "a new key for a new request")
    return kept.answer
