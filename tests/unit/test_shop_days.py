"""Days in the shop's time zone: what "today" is, and where a template's numbers of days end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soap_service.domain.resolution import resolve
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms


def shop(time_zone: str = "Europe/Berlin") -> Shop:
    return Shop(1, "TestShop", "EUR", time_zone, (), ())


def span(today: date, start: int | None, end: int | None) -> tuple[date | None, date | None]:
    template = Terms(currency="EUR", amount=Decimal("5.00"), valid_from_days=start, valid_until_days=end)
    terms = resolve({}, template, currency="EUR", today=today)
    return terms.valid_from, terms.valid_until


@pytest.mark.parametrize(
    ("now", "time_zone", "today"),
    [
        ("2026-06-15T10:00:00", "Europe/Berlin", "2026-06-15"),
        ("2026-06-15T21:59:59", "Europe/Berlin", "2026-06-15"),
        ("2026-06-15T22:00:00", "Europe/Berlin", "2026-06-16"),
        ("2026-01-15T22:59:59", "Europe/Berlin", "2026-01-15"),
        ("2026-01-15T23:00:00", "Europe/Berlin", "2026-01-16"),
        # The clock goes forward: the day begins at 23:00 UTC and ends at 22:00 UTC.
        ("2026-03-28T22:59:59", "Europe/Berlin", "2026-03-28"),
        ("2026-03-28T23:00:00", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T21:59:59", "Europe/Berlin", "2026-03-29"),
        ("2026-03-29T22:00:00", "Europe/Berlin", "2026-03-30"),
        # And back: it begins at 22:00 UTC and ends at 23:00 UTC.
        ("2026-10-24T21:59:59", "Europe/Berlin", "2026-10-24"),
        ("2026-10-24T22:00:00", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T00:30:00", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T22:59:59", "Europe/Berlin", "2026-10-25"),
        ("2026-10-25T23:00:00", "Europe/Berlin", "2026-10-26"),
        ("2026-12-31T23:30:00", "Europe/Berlin", "2027-01-01"),
        ("2028-02-28T23:30:00", "Europe/Berlin", "2028-02-29"),
        ("2028-02-29T23:30:00", "Europe/Berlin", "2028-03-01"),
        ("2026-12-31T23:30:00", "UTC", "2026-12-31"),
        ("2026-12-31T10:00:00", "Pacific/Kiritimati", "2027-01-01"),
        ("2027-01-01T10:59:59", "Pacific/Niue", "2026-12-31"),
        ("2026-06-15T18:29:59", "Asia/Kolkata", "2026-06-15"),
        ("2026-06-15T18:30:00", "Asia/Kolkata", "2026-06-16"),
    ],
)
def test_today_is_the_day_in_the_shops_zone(now: str, time_zone: str, today: str) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert shop(time_zone).today(instant) == date.fromisoformat(today)
    elsewhere = instant.astimezone(timezone(timedelta(hours=-7)))
    assert shop(time_zone).today(elsewhere) == date.fromisoformat(today)


def last_sunday(year: int, month: int) -> datetime:
    """01:00 UTC of the last Sunday of March or October, when the European Union changes its clocks."""
    day = datetime(year, month, 31, 1, tzinfo=UTC)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def instants(first_year: int, last_year: int) -> st.SearchStrategy[datetime]:
    first = datetime(first_year, 1, 1, tzinfo=UTC)
    seconds = int((datetime(last_year + 1, 1, 1, tzinfo=UTC) - first).total_seconds())
    return st.integers(0, seconds - 1).map(lambda offset: first + timedelta(seconds=offset))


@given(instants(2000, 2036))
def test_today_in_berlin_follows_the_european_rule(now: datetime) -> None:
    summer = last_sunday(now.year, 3) <= now < last_sunday(now.year, 10)
    assert shop().today(now) == (now + timedelta(hours=2 if summer else 1)).date()


@pytest.mark.parametrize(
    ("today", "days", "end"),
    [
        ("2026-06-15", 0, "2026-06-15"),
        ("2026-06-15", 30, "2026-07-15"),
        ("2026-12-31", 1, "2027-01-01"),
        ("2027-12-31", 60, "2028-02-29"),
        ("2028-02-28", 1, "2028-02-29"),
        ("2028-02-28", 2, "2028-03-01"),
        ("2027-02-28", 1, "2027-03-01"),
        ("2028-02-29", 365, "2029-02-28"),
        ("2028-02-29", 366, "2029-03-01"),
        ("2026-03-28", 1, "2026-03-29"),
        ("2026-03-28", 2, "2026-03-30"),
        ("2026-10-24", 2, "2026-10-26"),
        ("2011-12-29", 1, "2011-12-30"),  # which Apia left out: days are days of the calendar
        ("2100-02-28", 1, "2100-03-01"),
        ("2026-06-15", 36_500, "2126-05-22"),
    ],
)
def test_days_are_days_of_the_calendar(today: str, days: int, end: str) -> None:
    first, last = date.fromisoformat(today), date.fromisoformat(end)
    assert span(first, None, days) == (None, last)
    assert span(first, days, None) == (last, None)
    assert span(first, days, days) == (last, last)


@given(
    instants(1990, 2090),
    st.sampled_from(
        ["Europe/Berlin", "UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Niue", "Asia/Kolkata"]
    ),
    st.integers(0, 36_500),
    st.integers(0, 36_500),
)
def test_relative_dates_count_from_today_in_the_zone(
    now: datetime, time_zone: str, start: int, length: int
) -> None:
    today = shop(time_zone).today(now)
    assert abs(today.toordinal() - now.toordinal()) <= 1
    end = min(start + length, 36_500)
    assert span(today, start, end) == (
        date.fromordinal(today.toordinal() + start),
        date.fromordinal(today.toordinal() + end),
    )
