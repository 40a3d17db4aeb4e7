"""Passwords: hashed, verified, remembered for a minute when right, never when wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from cachetools import TTLCache

from soap_service.operations import passwords as module
from soap_service.operations.passwords import Passwords


class CountingHasher(PasswordHasher):
    """Compares instead of hashing, counts how often, and can be made to wait."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[tuple[str, str]] = []
        self.at_work = 0
        self.most_at_work = 0
        self.go_on: Callable[[], Any] = lambda: None
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        return f"hash of {password!s}"

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
        with self._lock:
            self.verified.append((str(hash), str(password)))
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
        self.go_on()
        with self._lock:
            self.at_work -= 1
        if hash != f"hash of {password!s}":
            raise VerifyMismatchError
        return True


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock that the memory of right pairs goes by: set `seconds[0]`."""
    now = [0.0]
    monkeypatch.setattr(module, "TTLCache", lambda size, ttl: TTLCache(size, ttl, timer=lambda: now[0]))
    return now


def test_a_hash_is_argon2id_with_the_parameters_it_names_and_its_own_salt() -> None:
    passwords = Passwords()
    stored = passwords.hash("geheim")
    assert stored.startswith("$argon2id$")
    assert "geheim" not in stored
    parameters = extract_parameters(stored)
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)
    assert passwords.hash("geheim") != stored
    assert passwords.verify("TestShop", stored, "geheim")
    assert not passwords.verify("TestShop", stored, "Geheim")


def test_hashes_made_with_other_parameters_are_still_right() -> None:
    stored = PasswordHasher(time_cost=1, memory_cost=16, parallelism=2).hash("geheim")
    assert Passwords().verify("TestShop", stored, "geheim")


@pytest.mark.parametrize("password", ["ä€😀", "x" * 10_000, " geheim ", "\x00", "a\nb"])
def test_any_text_can_be_a_password(password: str) -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    stored = passwords.hash(password)
    assert passwords.verify("TestShop", stored, password)
    assert not passwords.verify("TestShop", stored, password + " ")


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$!!$!!", "$2b$12$abc"])
def test_a_hash_that_is_none_is_never_right(stored: str) -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    assert not passwords.verify("TestShop", stored, stored)


@pytest.mark.usefixtures("seconds")
def test_a_right_pair_is_verified_once(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    for _ in range(5):
        assert passwords.verify("TestShop", "hash of geheim", "geheim")
    assert hasher.verified == [("hash of geheim", "geheim")]


def test_a_right_pair_is_verified_again_after_a_minute(hasher: CountingHasher, seconds: list[float]) -> None:
    passwords = Passwords(hasher)
    for moment, times in ((0, 1), (59.9, 1), (60.1, 2), (120.0, 2), (120.2, 3)):
        seconds[0] = moment
        assert passwords.verify("TestShop", "hash of geheim", "geheim")
        assert len(hasher.verified) == times, moment


def test_a_wrong_pair_is_verified_every_time(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    for times in range(1, 5):
        assert not passwords.verify("TestShop", "hash of geheim", "falsch")
        assert len(hasher.verified) == times


def test_an_unknown_shop_costs_one_verification_every_time_and_is_never_right(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    for times in range(1, 4):
        assert not passwords.verify("Nobody", None, "geheim")
        assert len(hasher.verified) == times
    nobodys_password = hasher.verified[0][0].removeprefix("hash of ")
    assert not passwords.verify("Nobody", None, nobodys_password)
    assert not passwords.verify("Nobody", None, nobodys_password)
    assert len(hasher.verified) == 5


def test_a_broken_hash_costs_a_verification_too(hasher: CountingHasher) -> None:
    def broken() -> None:
        raise InvalidHashError

    hasher.go_on = broken
    assert not Passwords(hasher).verify("TestShop", "broken", "geheim")
    assert len(hasher.verified) == 1


def test_a_new_hash_takes_effect_at_once(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    assert passwords.verify("TestShop", "hash of old", "old")
    assert not passwords.verify("TestShop", "hash of new", "old")
    assert passwords.verify("TestShop", "hash of new", "new")
    assert not passwords.verify("TestShop", "hash of new", "old")
    assert len(hasher.verified) == 4


@pytest.mark.parametrize(
    "other",
    [
        ("OtherShop", "hash of geheim", "geheim"),
        ("TestShop", "hash of geheim", "geheim2"),
        ("TestShop", None, "geheim"),
    ],
)
def test_a_remembered_pair_is_remembered_for_itself_only(
    hasher: CountingHasher, other: tuple[str, str | None, str]
) -> None:
    passwords = Passwords(hasher)
    assert passwords.verify("TestShop", "hash of geheim", "geheim")
    assert passwords.verify(*other) == (other[0] == "OtherShop")
    assert len(hasher.verified) == 2


def test_where_one_part_ends_and_the_next_begins_makes_a_difference(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    assert passwords.verify("ab", "hash of c", "c")
    assert not passwords.verify("a", "bhash of c", "c")
    assert not passwords.verify("abhash of c", "", "c")


def test_nothing_that_is_remembered_tells_the_password(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    passwords.verify("TestShop", "hash of geheim", "geheim")
    remembered = repr({name: value for name, value in vars(passwords).items() if name != "_hasher"})
    assert "geheim" not in remembered
    assert "TestShop" not in remembered


def test_callers_at_the_same_time_share_one_verification(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    started = threading.Event()
    hasher.go_on = lambda: started.wait(5)
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(passwords.verify, "TestShop", "hash of geheim", "geheim") for _ in range(16)]
        started.set()
    assert all(answer.result() for answer in answers)
    assert len(hasher.verified) == 1


def test_wrong_callers_at_the_same_time_wait_for_each_other(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    hasher.go_on = lambda: time.sleep(0.002)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(passwords.verify, "TestShop", "hash of geheim", "falsch") for _ in range(24)]
    assert not any(answer.result() for answer in answers)
    assert (len(hasher.verified), hasher.most_at_work) == (24, 1)


def test_pairs_do_not_wait_for_other_pairs(hasher: CountingHasher) -> None:
    passwords = Passwords(hasher)
    meeting = threading.Barrier(3, timeout=10)
    hasher.go_on = meeting.wait  # broken unless all three are at work at once
    with ThreadPoolExecutor(3) as pool:
        shops = [pool.submit(passwords.verify, name, "hash of geheim", "geheim") for name in ("A", "B", "C")]
    assert all(shop.result() for shop in shops)
    assert hasher.most_at_work == 3
