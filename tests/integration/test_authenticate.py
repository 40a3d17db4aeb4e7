"""Whose call is it: ES001, ES002 and ES008, and what a call costs, on both databases."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from argon2 import PasswordHasher

from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.authenticate import authenticate, enter
from soap_service.operations.house import House
from soap_service.operations.passwords import Passwords
from soap_service.store import charges, shops
from tests.support.checks import outcome, refused, unchanged
from tests.support.factories import add_charge


def change_shop(house: House, shop: Shop, **settings: Any) -> None:
    with house.store.write() as transaction:
        shops.change(transaction, shop.shop_id, settings)


def test_who_calls_with_the_right_password_is_let_in(house: House, shop: Shop) -> None:
    with unchanged(house.store):
        assert authenticate(house, "TestShop", "geheim") == shop
    assert (shop.subshops, shop.vat_ids, shop.currency, shop.time_zone) == (
        ("B2c", "B2B"),
        (1, 2),
        "EUR",
        "Europe/Berlin",
    )


@pytest.mark.usefixtures("shop")
def test_missing_credentials(house: House) -> None:
    for pair in (
        (None, "geheim"),
        ("", "geheim"),
        ("TestShop", None),
        ("TestShop", ""),
        (None, None),
        ("Nobody", None),
    ):
        with refused("ES001"):
            authenticate(house, *pair)


@pytest.mark.usefixtures("shop")
def test_wrong_credentials(house: House) -> None:
    for pair in (
        ("Nobody", "geheim"),
        ("testshop", "geheim"),
        (" TestShop", "geheim"),
        ("TestShop", "Geheim"),
        ("TestShop", "geheim "),
        ("TestShop", "falsch"),
        ("$ChargeVal$", "geheim"),
        ("TestShop' OR '1'='1", "geheim"),
    ):
        with refused("ES002"):
            authenticate(house, *pair)


def test_a_disabled_shop_is_answered_like_an_unknown_one(house: House, shop: Shop) -> None:
    assert authenticate(house, "TestShop", "geheim") == shop
    change_shop(house, shop, enabled=False)
    faults = [
        outcome(lambda pair=pair: authenticate(house, *pair))
        for pair in (("TestShop", "geheim"), ("TestShop", "falsch"), ("Nobody", "geheim"))
    ]
    assert {(fault.code, fault.text, fault.field, fault.expected) for fault in faults} == {
        ("ES002", "ES002 Ungültige ShopID oder ungültiges Passwort", None, None)
    }
    change_shop(house, shop, enabled=True)
    assert authenticate(house, "TestShop", "geheim") == shop


def test_the_version_is_told_only_to_who_has_the_password(house: House, shop: Shop) -> None:
    change_shop(house, shop, version=7)
    with refused("ES008"):
        authenticate(house, "TestShop", "geheim")
    with refused("ES002"):
        authenticate(house, "TestShop", "falsch")
    change_shop(house, shop, enabled=False)
    with refused("ES002"):
        authenticate(house, "TestShop", "geheim")


def test_a_new_password_takes_effect_at_once(house: House, shop: Shop) -> None:
    assert authenticate(house, "TestShop", "geheim") == shop
    change_shop(house, shop, password_hash=house.passwords.hash("neu"))
    with refused("ES002"):
        authenticate(house, "TestShop", "geheim")
    assert authenticate(house, "TestShop", "neu") == shop


def test_new_settings_take_effect_at_once_though_the_password_is_remembered(house: House, shop: Shop) -> None:
    authenticate(house, "TestShop", "geheim")
    change_shop(house, shop, subshops=("B2c", "Süd"), currency="CHF")
    assert authenticate(house, "TestShop", "geheim") == replace(shop, subshops=("B2c", "Süd"), currency="CHF")


def test_every_refusal_costs_a_verification_and_only_the_first_success_does(house: House, shop: Shop) -> None:
    class Counting(PasswordHasher):
        verified = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
            self.verified += 1
            return super().verify(hash, password)

    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    house = replace(house, passwords=Passwords(hasher))

    def cost(name: str, password: str) -> int:
        before = hasher.verified
        outcome(lambda: authenticate(house, name, password))
        return hasher.verified - before

    assert [cost("TestShop", "geheim") for _ in range(3)] == [1, 0, 0]
    assert [cost("TestShop", "falsch") for _ in range(3)] == [1, 1, 1]
    assert [cost("Nobody", "geheim") for _ in range(3)] == [1, 1, 1]
    change_shop(house, shop, enabled=False)
    assert [cost("TestShop", "geheim") for _ in range(3)] == [1, 1, 1]


def test_the_charge_named_is_found_with_the_shop(house: House, shop: Shop) -> None:
    template = Terms(currency="EUR", amount=Decimal("10.00"))
    charge = add_charge(house, shop, "T", template, subscribe_subshop="B2c", description="Ärger & Co")
    bare = add_charge(house, shop, "Bare")
    add_charge(house, _add_shop(house, "Other"), "Fremd", template)
    assert enter(house, "TestShop", "geheim", "T") == (shop, charge)
    assert enter(house, "TestShop", "geheim", "Bare") == (shop, bare)
    for name in (None, "", "t", "Fremd", "$ChargeVal$"):
        assert enter(house, "TestShop", "geheim", name) == (shop, None)
    with house.store.write() as transaction:
        charges.change(transaction, shop.shop_id, charge.charge_id, deleted_at=house.clock())
    assert enter(house, "TestShop", "geheim", "T") == (shop, None)


def test_a_charge_lets_nobody_in(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T")
    with refused("ES001"):
        enter(house, "TestShop", None, "T")
    for pair in (("TestShop", "falsch"), ("Nobody", "geheim")):
        with refused("ES002"):
            enter(house, *pair, "T")
    change_shop(house, shop, version=7)
    with refused("ES008"):
        enter(house, "TestShop", "geheim", "T")
    change_shop(house, shop, enabled=False)
    with refused("ES002"):
        enter(house, "TestShop", "geheim", "T")


def _add_shop(house: House, name: str) -> Shop:
    settings = {"name": name, "currency": "EUR", "time_zone": "UTC", "subshops": (), "vat_ids": ()}
    with house.store.write() as transaction:
        assert shops.add(transaction, settings, house.passwords.hash("geheim"), house.clock())
        record = shops.find(transaction, name)
    assert record is not None
    return record.shop
