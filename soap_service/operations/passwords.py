"""Passwords: Argon2id at rest, verified pairs remembered for a minute.

The password comes with every call and a verification costs tens of milliseconds, so a pair that was right
is remembered in this process under a keyed hash. Successes only; one verification at a time per pair; an
unknown shop costs what a wrong password costs. Source: design of the house, "Passwords"; parameters: OWASP's
first recommendation for Argon2id (19 MiB, two passes, one lane).
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from contextlib import suppress
from secrets import token_bytes

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from cachetools import LRUCache, TTLCache

REMEMBER_SECONDS = 60
REMEMBER_PAIRS = 10_000


class Passwords:
    """Makes and checks password hashes."""

    def __init__(self, hasher: PasswordHasher | None = None, remember_seconds: float = REMEMBER_SECONDS) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._boot_key = token_bytes(32)
        self._lock = threading.Lock()
        self._right: TTLCache[bytes, bool] = TTLCache(REMEMBER_PAIRS, remember_seconds)
        self._running: LRUCache[bytes, threading.Lock] = LRUCache(REMEMBER_PAIRS)
        self._nobody = self._hasher.hash(token_bytes(16).hex())

    def hash(self, password: str) -> str:
        """The hash to store, with its own salt."""
        return self._hasher.hash(password)

    def verify(self, shop_name: str, stored_hash: str | None, password: str) -> bool:
        """Whether the password is right; `stored_hash` None (no such shop) is never right but takes as long."""
        pair = self._pair(shop_name, stored_hash or self._nobody, password)
        with self._lock:
            if pair in self._right:
                return True
            running = self._running.setdefault(pair, threading.Lock())
        with running:
            with self._lock:
                if pair in self._right:
                    return True
            right = self._check(stored_hash or self._nobody, password) and stored_hash is not None
            if right:
                with self._lock:
                    self._right[pair] = True
        return right

    def _check(self, stored_hash: str, password: str) -> bool:
        with suppress(Argon2Error, InvalidHashError):
            return self._hasher.verify(stored_hash, password)
        return False

    def _pair(self, *parts: str) -> bytes:
        digest = hmac.new(self._boot_key, digestmod=hashlib.sha256)
        for part in parts:
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)
        return digest.digest()
