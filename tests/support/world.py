"""One small world for the tests of the wire: shops, charges, pool stock, vouchers, the same on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count

from argon2 import PasswordHasher
from sqlalchemy import func, select

from soap_service.domain.kinds import BY_TYPE
from soap_service.domain.shops import Shop
from soap_service.domain.terms import AMOUNT_PERCENT, Terms
from soap_service.operations.house import House
from soap_service.operations.passwords import Passwords
from soap_service.store import shops
from soap_service.store.engine import Store
from soap_service.store.tables import charge, charge_count, idempotency, pool_lane, voucher
from tests.support.factories import FakeClock, add_charge, add_pool, create

SHOP = "TestShop"
PASSWORD = "geheim"
WRONG_PASSWORD = "falsch-und-lang-genug-4711"
SECRETS = (PASSWORD, WRONG_PASSWORD)

# Opens a store with a world that nobody has touched; it is gone with the block.
OpenWorld = Callable[[], AbstractContextManager[Store]]

DOCUMENTED = Terms(currency="EUR", amount=Decimal("10.00"), subshops=("B2c", "B2B"))
REGISTRATION = Terms(currency="EUR", amount=Decimal("5.00"), valid_until_days=30)
PERCENT = Terms(
    currency="EUR",
    amount=Decimal("12.50"),
    amount_type=AMOUNT_PERCENT,
    min_order_value=Decimal("49.90"),
    max_discount_value=Decimal("100.00"),
    kind=BY_TYPE[6],
    type2=2,
    valid_from=date(2026, 7, 1),
    valid_until=date(2026, 12, 31),
    vat_index=2,
    customer_filter=(("n", "K 1 & <2>"), ("n", "Müller€")),
    cat_prod_filter_set_behavior=1,
    cat_prod_filter=(("ci", "543"), ("pn", "Größe Ü")),
    labels=("Frühling €",),
)
MULTI_CURRENCY = Terms(
    currency="EUR",
    amounts=(("EUR", Decimal("10.00")), ("CHF", Decimal("11.50"))),
    min_order_values=(("EUR", Decimal("50.00")), ("CHF", Decimal("60.00"))),
)
POOL = Terms(currency="EUR", amount=Decimal("20.00"))

PAGED_CODES = [f"TEST-ID3-{number:04}-AAAA" for number in range(1, 6)]
POOL_CODES = [f"POOL{number:06}" for number in range(1, 16)]
POOL_CODES_B2B = [f"POOLB2B{number:06}" for number in range(1, 11)]


def documented_codes(start: int = 1234) -> Callable[[int], list[str]]:
    """A maker of codes like those in the interface documentation: 1234-1234-1234-1234, 1235-…, without end."""
    numbers: Iterator[int] = count(start)

    def make(wanted: int) -> list[str]:
        return ["-".join([f"{next(numbers):04}"] * 4) for _ in range(wanted)]

    return make


def fixed_codes(codes: Sequence[str]) -> Callable[[int], list[str]]:
    """A maker that gives exactly these codes, once."""
    left = iter(codes)
    return lambda wanted: [next(left) for _ in range(wanted)]


def house_on(store: Store) -> House:
    """A house whose clock stands still and whose passwords are quick to check."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return House(store, clock=FakeClock(), passwords=Passwords(hasher))


def url_of(store: Store) -> str:
    """The URL of a store, for another process."""
    return store.url.render_as_string(hide_password=False)


def build_world(house: House) -> Shop:
    """Fill an empty store and return TestShop; ids and codes are the same every time.

    TestShop has the demo's charges TestCharge, NoTemplate, PoolCharge (15 codes for everybody, then 10 for
    B2B), testid3 (five vouchers) and a registration voucher for B2c; besides them Prozent and Währungen with
    rich templates, and ZweierleiBedingungen with vouchers on two sets of terms. AlterShop is of version 7,
    ZuShop disabled, LeerShop has no charge.
    """
    shop = _add_shop(house, SHOP)
    _add_shop(house, "AlterShop", version=7)
    _add_shop(house, "ZuShop", enabled=False)
    _add_shop(house, "LeerShop")
    add_charge(house, shop, "TestCharge", DOCUMENTED)
    add_charge(house, shop, "NoTemplate")
    add_charge(house, shop, "PoolCharge")
    add_pool(house, shop, "PoolCharge", POOL_CODES, POOL)
    add_pool(house, shop, "PoolCharge", POOL_CODES_B2B, replace(POOL, subshops=("B2B",)))
    add_charge(house, shop, "Anmeldung-B2c", REGISTRATION, subscribe_subshop="B2c")
    add_charge(house, shop, "Prozent", PERCENT)
    add_charge(house, shop, "Währungen", MULTI_CURRENCY)
    # Drawn in another order than they are listed in.
    paging = replace(house, make_codes=fixed_codes([PAGED_CODES[i] for i in (3, 0, 4, 2, 1)]))
    create(paging, shop, ChargeId="testid3", CreateCharge=True, VoucherCount=5, Amount="7.50", Currency="EUR")
    mixed = replace(house, make_codes=fixed_codes(["MIX-0001", "MIX-0003", "MIX-0002"]))
    add_charge(house, shop, "ZweierleiBedingungen", PERCENT)
    create(mixed, shop, ChargeId="ZweierleiBedingungen", VoucherCount=2)
    create(
        mixed,
        shop,
        ChargeId="ZweierleiBedingungen",
        VoucherCount=1,
        AmountType=0,
        AmountMultiCurrency="EUR:10;CHF:11.50",
        CustomerFilter="",
        CatProdFilter="",
        ValidFrom="",
        ValidUntil="",
    )
    return shop


def _add_shop(house: House, name: str, *, version: int = 8, enabled: bool = True) -> Shop:
    settings = {
        "name": name,
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "subshops": ("B2c", "B2B"),
        "vat_ids": (1, 2),
        "version": version,
        "enabled": enabled,
    }
    with house.store.write() as transaction:
        assert shops.add(transaction, settings, house.passwords.hash(PASSWORD), house.clock())
        record = shops.find(transaction, name)
    assert record is not None
    return record.shop


def tally(store: Store) -> dict[str, int]:
    """What a call may change, counted: equal tallies before and after mean that nothing was changed."""
    counts = {
        "vouchers": select(func.count()).select_from(voucher),
        "counted": select(func.coalesce(func.sum(charge_count.c.vouchers), 0)),
        "charges": select(func.count()).select_from(charge),
        "drawn": select(func.coalesce(func.sum(pool_lane.c.next_seq), 0)),
        "kept answers": select(func.count()).select_from(idempotency),
    }
    with store.read() as connection:
        row = connection.execute(select(*(query.scalar_subquery() for query in counts.values()))).one()
    return dict(zip(counts, map(int, row), strict=True))
