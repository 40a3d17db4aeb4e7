"""Look the store over: does it answer, is it migrated, does it keep what it commits, does it add up?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from soap_service.operations.house import House
from soap_service.store import checks, migrations, shops
from soap_service.store.engine import StoreUnavailable

MOST_CLOCK_SECONDS = 5.0


class Health(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found."""

    name: str
    health: Health
    text: str


# What was counted, and what it means when the count is not 0.
_SUMS = (
    ("voucher counts", checks.WRONG_COUNTS, "charges whose count is not the number of their vouchers"),
    ("vouchers' charges", checks.LOST_CHARGES, "vouchers whose charge is missing"),
    ("vouchers' terms", checks.LOST_TERMS, "vouchers whose terms are missing"),
    ("pool counts", checks.WRONG_LANES, "pool lanes whose count is not the number of their codes"),
    ("pool codes", checks.LOST_STOCK, "pool codes without a lane"),
)
_DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
    "journal_mode": ("wal", "delete", "truncate", "persist"),
    "synchronous": ("full", "extra"),
}


def check_store(house: House, *, thorough: bool = True) -> Iterator[Check]:
    """The checks one by one, as they are done; they end with the first that makes the rest senseless.

    `thorough` also reads every voucher and code, which takes seconds per million.
    """
    try:
        with house.store.read() as connection:
            yield Check("database", Health.OK, f"{checks.version(connection)} answers")
        try:
            migrations.require_current(house.store)
        except migrations.NotMigrated as error:
            yield Check("migrations", Health.PROBLEM, str(error))
            return
        yield Check("migrations", Health.OK, f"schema {migrations.head()}")
        yield _durability(house)
        yield _clock(house)
        yield _shops(house)
        if thorough:
            yield from _sums(house)
    except StoreUnavailable as error:
        yield Check("database", Health.PROBLEM, f"it does not answer ({error})")


def _durability(house: House) -> Check:
    with house.store.read() as connection:
        settings = checks.settings(connection)
    said = ", ".join(f"{name}={value}" for name, value in settings.items())
    wrong = [name for name, value in settings.items() if value.lower() not in _DURABLE[name]]
    if wrong:
        return Check(
            "durability",
            Health.PROBLEM,
            f"vouchers could be lost after a crash: {', '.join(f'{name}={settings[name]}' for name in wrong)}",
        )
    return Check("durability", Health.OK, said)


def _clock(house: House) -> Check:
    with house.store.read() as connection:
        before = house.clock()
        there = checks.clock(connection)
        after = house.clock()
    seconds = abs((there - (before + (after - before) / 2)).total_seconds())
    if seconds > MOST_CLOCK_SECONDS:
        return Check(
            "clock", Health.PROBLEM, f"{seconds:.0f} seconds apart from the database's: dates may be wrong"
        )
    return Check("clock", Health.OK, f"{before:%Y-%m-%d %H:%M:%S} UTC, {seconds:.1f} s from the database's")


def _shops(house: House) -> Check:
    with house.store.read() as connection:
        found = [record.shop for record in shops.list_all(connection)]
        keys = len(shops.signing_keys(connection))
    for shop in found:
        try:
            ZoneInfo(shop.time_zone)
        except (KeyError, ValueError, OSError):
            return Check("shops", Health.PROBLEM, f"the time zone of shop {shop.name} is unknown here")
    if not keys:
        return Check("shops", Health.PROBLEM, "there is no signing key: page tokens cannot be made")
    if not found:
        return Check("shops", Health.WARNING, "there is none yet: `createvouchers shop add`")
    return Check("shops", Health.OK, f"{len(found)}, of which {sum(shop.enabled for shop in found)} enabled")


def _sums(house: House) -> Iterator[Check]:
    for name, statement, meaning in _SUMS:
        with house.store.read() as connection:
            wrong = checks.count(connection, statement)
        yield Check(name, Health.PROBLEM, f"{wrong} {meaning}") if wrong else Check(name, Health.OK, "right")
