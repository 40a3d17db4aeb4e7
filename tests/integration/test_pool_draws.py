"""Draws from a pool: which codes, with which terms, and what is left, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, update

from soap_service.domain.faults import VoucherFault
from soap_service.domain.requests import ChargeInfo, ListCodes, PoolInfo, read_create_vouchers
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.charge_info import ChargeFacts, charge_info
from soap_service.operations.create_vouchers import CreatedVouchers, create_vouchers
from soap_service.operations.house import House
from soap_service.operations.list_codes import list_codes
from soap_service.operations.pool_info import pool_info
from soap_service.store import pools
from soap_service.store.pools import Lane
from soap_service.store.tables import pool_code, pool_lane
from tests.support.books import assert_books_balance
from tests.support.checks import outcome, refused, unchanged
from tests.support.factories import FakeClock, add_charge, add_pool, create

ANYWHERE = Terms(currency="EUR", amount=Decimal("20.00"))
B2B = replace(ANYWHERE, subshops=("B2B",))
BOTH = replace(ANYWHERE, subshops=("B2c", "B2B"))
CHEAP = replace(ANYWHERE, amount=Decimal("5.00"))


@pytest.fixture
def house(house: House) -> Iterator[House]:
    """The house; at the end of every test its books must balance."""
    yield house
    assert_books_balance(house.store)


@pytest.fixture(params=["alone", "in a transaction"])
def inside(request: pytest.FixtureRequest) -> bool:
    """Whether a draw runs inside somebody else's transaction."""
    return bool(request.param == "in a transaction")


def draw(
    house: House,
    shop: Shop,
    name: str,
    number: int,
    subshop: str | None = None,
    *,
    inside: bool = False,
    **said: str,
) -> CreatedVouchers:
    texts = {"ChargeId": name, "VoucherCount": str(number), "Pool": "true", "SubShopValidity": subshop, **said}
    if not inside:
        return create_vouchers(house, shop, read_create_vouchers(texts))
    with house.store.write() as transaction:
        return create_vouchers(house, shop, read_create_vouchers(texts), transaction)


def left(house: House, shop: Shop, name: str, subshop: str | None = None) -> int:
    return pool_info(house, shop, PoolInfo(name, None, subshop))


def issued(house: House, shop: Shop, name: str) -> dict[str, Terms]:
    page = list_codes(house, shop, ListCodes(name, None, None))
    return {code: page.terms[terms_id] for code, terms_id in page.vouchers}


def take_out(house: House, shop: Shop, code: str) -> None:
    """Take a code out of the stock, as an operator may: its number stays behind as a hole."""
    with house.store.write() as transaction:
        lane_id = transaction.execute(
            delete(pool_code)
            .where(pool_code.c.shop_id == shop.shop_id, pool_code.c.code == code)
            .returning(pool_code.c.lane_id)
        ).scalar_one()
        transaction.execute(
            update(pool_lane)
            .where(pool_lane.c.shop_id == shop.shop_id, pool_lane.c.lane_id == lane_id)
            .values(holes=pool_lane.c.holes + 1)
        )


# --- against a model ---------------------------------------------------------------------------------------

SORTS = {"anywhere": ANYWHERE, "B2B": B2B, "both": BOTH, "cheap": CHEAP}
steps = st.lists(
    st.one_of(
        st.tuples(st.just("import"), st.sampled_from(sorted(SORTS)), st.integers(1, 5)),
        st.tuples(st.just("draw"), st.sampled_from([None, "B2c", "B2B"]), st.integers(1, 7)),
        st.tuples(st.just("draw"), st.sampled_from([None, "B2c", "B2B"]), st.integers(1, 3)),
        st.tuples(st.just("take out"), st.none(), st.integers(0, 100)),
    ),
    min_size=3,
    max_size=14,
)
numbers = count()


@dataclass
class Model:
    """A pool as the contract describes it: lots in the order of import, each with its terms."""

    lots: list[tuple[Terms, list[str]]] = field(default_factory=list)

    def allowed(self, subshop: str | None) -> list[tuple[Terms, list[str]]]:
        return [lot for lot in self.lots if subshop is None or not lot[0].subshops or subshop in lot[0].subshops]

    def available(self, subshop: str | None) -> int:
        return sum(len(codes) for _, codes in self.allowed(subshop))

    def draw(self, number: int, subshop: str | None) -> tuple[Terms, list[str]] | None:
        """Of the sets of terms that have enough, the one with the oldest code gives; its oldest codes go."""
        waiting = [(terms, code) for terms, codes in self.allowed(subshop) for code in codes]
        for oldest, _ in waiting:
            drawn = [code for terms, code in waiting if terms == oldest][:number]
            if len(drawn) == number:
                for code in drawn:
                    self.take_out(code)
                return oldest, drawn
        return None

    def take_out(self, code: str) -> None:
        for _, codes in self.lots:
            if code in codes:
                codes.remove(code)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_a_pool_does_what_its_model_does(
    house: House, shop: Shop, inside: bool, steps: list[tuple[str, str | None, int]]
) -> None:
    name = f"Pool {next(numbers)}"
    add_charge(house, shop, name)
    model = Model()
    drawn: dict[str, Terms] = {}
    for what, which, number in steps:
        waiting = [code for _, codes in model.lots for code in codes]
        if what == "import":
            codes = [f"{next(numbers):06}" for _ in range(number)]
            add_pool(house, shop, name, codes, SORTS[which or ""])
            model.lots.append((SORTS[which or ""], list(codes)))
        elif what == "take out" and waiting:
            take_out(house, shop, waiting[number % len(waiting)])
            model.take_out(waiting[number % len(waiting)])
        elif what == "draw":
            expected = model.draw(number, which)
            found = outcome(
                lambda number=number, which=which: draw(house, shop, name, number, which, inside=inside)
            )
            if expected is None:
                assert isinstance(found, VoucherFault)
                assert (found.code, found.count) == ("ES024", number)
            else:
                assert (found.terms, sorted(found.codes)) == (expected[0], sorted(expected[1]))
                drawn |= dict.fromkeys(found.codes, found.terms)
        for subshop in (None, "B2c", "B2B"):
            assert left(house, shop, name, subshop) == model.available(subshop)
    assert issued(house, shop, name) == drawn
    assert charge_info(house, shop, ChargeInfo(name)) == ChargeFacts(len(drawn), False)


# --- single rules ------------------------------------------------------------------------------------------


def test_a_pool_is_drawn_to_its_exact_end(house: House, shop: Shop, inside: bool) -> None:
    add_charge(house, shop, "Pool")
    codes = [f"P{number:02}" for number in range(25)]
    add_pool(house, shop, "Pool", codes[:10], ANYWHERE)
    add_pool(house, shop, "Pool", codes[10:], ANYWHERE)
    drawn: list[str] = []
    for number in (1, 8, 7, 9):
        drawn += sorted(draw(house, shop, "Pool", number, inside=inside).codes)
        assert drawn == codes[: len(drawn)]
        with unchanged(house.store), refused("ES024"):
            draw(house, shop, "Pool", 26 - len(drawn), inside=inside)
    for number in (1, 1000):
        with unchanged(house.store), refused("ES024"):
            draw(house, shop, "Pool", number, inside=inside)
    assert left(house, shop, "Pool") == 0


def test_vouchers_of_one_call_have_one_set_of_terms(house: House, shop: Shop, inside: bool) -> None:
    add_charge(house, shop, "Pool")
    add_pool(house, shop, "Pool", ["A1", "A2"], ANYWHERE)
    add_pool(house, shop, "Pool", ["C1", "C2", "C3"], CHEAP)
    add_pool(house, shop, "Pool", ["A3"], ANYWHERE)
    with unchanged(house.store), refused("ES024"):
        draw(house, shop, "Pool", 4, inside=inside)
    assert sorted(draw(house, shop, "Pool", 3, inside=inside).codes) == ["A1", "A2", "A3"]
    made = draw(house, shop, "Pool", 3, inside=inside)
    assert (made.terms, sorted(made.codes)) == (CHEAP, ["C1", "C2", "C3"])


def test_a_charge_with_a_pool_needs_no_template_and_does_not_use_it(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool", replace(CHEAP, min_order_value=Decimal("50.00")))
    add_pool(house, shop, "Pool", ["A1"], ANYWHERE)
    assert draw(house, shop, "Pool", 1).terms == ANYWHERE


def test_what_is_said_goes_before_what_the_stock_says(house: House, shop: Shop, inside: bool) -> None:
    add_charge(house, shop, "Pool")
    stock = replace(B2B, valid_from_days=1, valid_until_days=30, min_order_value=Decimal("50.00"))
    add_pool(house, shop, "Pool", ["A1", "A2", "A3"], stock)
    made = draw(house, shop, "Pool", 1, inside=inside)
    resolved = replace(
        stock,
        valid_from_days=None,
        valid_until_days=None,
        valid_from=date(2026, 6, 16),
        valid_until=date(2026, 7, 15),
    )
    assert made.terms == resolved
    said = {"Amount": "7", "ValidUntil": "", "MinOrderValue": "-999999999", "Subshop": "$ChargeVal$", "Type": "2"}
    other = draw(house, shop, "Pool", 1, "B2B", inside=inside, **said)
    assert other.terms == replace(resolved, amount=Decimal("7.00"), valid_until=None, kind=other.terms.kind)
    assert other.terms.kind != resolved.kind
    # What the draw may take is decided by what the stock says, not by what the call says.
    with unchanged(house.store), refused("ES024"):
        draw(house, shop, "Pool", 1, "B2c", inside=inside, Subshop="B2c,B2B")
    assert issued(house, shop, "Pool") == {"A1": resolved, "A2": other.terms}


def test_stock_without_an_amount_needs_one_from_the_call(house: House, shop: Shop, inside: bool) -> None:
    add_charge(house, shop, "Pool")
    add_pool(house, shop, "Pool", ["A1", "A2"], replace(ANYWHERE, amount=None))
    with unchanged(house.store), refused("ES009", "Amount"):
        draw(house, shop, "Pool", 2, inside=inside)
    assert draw(house, shop, "Pool", 2, inside=inside, Amount="3").terms == replace(
        ANYWHERE, amount=Decimal("3.00")
    )


def test_stock_that_became_a_voucher_otherwise_is_stepped_over(house: House, shop: Shop, inside: bool) -> None:
    add_charge(house, shop, "Pool")
    add_charge(house, shop, "T", ANYWHERE)
    add_pool(house, shop, "Pool", ["A1", "A2", "A3", "A4"], ANYWHERE)
    create(replace(house, make_codes=lambda _: ["A2"]), shop, ChargeId="T", VoucherCount=1)
    assert sorted(draw(house, shop, "Pool", 2, inside=inside).codes) == ["A1", "A3"]
    with unchanged(house.store), refused("ES024"):
        draw(house, shop, "Pool", 2, inside=inside)
    assert draw(house, shop, "Pool", 1, inside=inside).codes == ["A4"]
    assert set(issued(house, shop, "T")) == {"A2"}


def test_a_draw_that_others_beat_gets_its_codes_nevertheless(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever somebody looks at the stock, somebody else takes the first of it, as long as that is possible."""
    add_charge(house, shop, "Pool")
    for code in ("A1", "A2", "A3", "A4"):
        add_pool(house, shop, "Pool", [code], ANYWHERE)
    look = pools.lanes
    others: list[str] = []

    def beaten(connection: Connection, shop_id: int, charge_id: int, *, lock: bool = False) -> list[Lane]:
        found = look(connection, shop_id, charge_id, lock=lock)
        if not lock:
            with monkeypatch.context() as patch:
                patch.setattr(pools, "lanes", look)
                others.extend(draw(house, shop, "Pool", 1).codes)
        return found

    monkeypatch.setattr(pools, "lanes", beaten)
    assert sorted(draw(house, shop, "Pool", 2).codes) == ["A2", "A3"]
    assert others == ["A1"]
    with refused("ES024"):
        draw(house, shop, "Pool", 1)
    assert others == ["A1", "A4"]


def test_pools_of_other_charges_and_shops_are_not_touched(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool")
    add_charge(house, shop, "Other")
    add_pool(house, shop, "Other", ["B1"], ANYWHERE)
    with unchanged(house.store), refused("ES024"):
        draw(house, shop, "Pool", 1)
    add_pool(house, shop, "Pool", ["A1"], ANYWHERE)
    assert draw(house, shop, "Pool", 1).codes == ["A1"]
    assert left(house, shop, "Other") == 1


def test_generated_vouchers_leave_the_pool_alone(house: House, shop: Shop, clock: FakeClock) -> None:
    add_charge(house, shop, "Pool", CHEAP)
    add_pool(house, shop, "Pool", ["A1", "A2"], ANYWHERE)
    made = create(house, shop, ChargeId="Pool", VoucherCount=3)
    assert (made.terms, left(house, shop, "Pool")) == (CHEAP, 2)
    clock.advance(days=1)
    drawn = draw(house, shop, "Pool", 2)
    assert set(issued(house, shop, "Pool")) == {*made.codes, *drawn.codes}
    assert charge_info(house, shop, ChargeInfo("Pool")) == ChargeFacts(5, True)


def test_a_thousand_at_once(house: House, shop: Shop, inside: bool) -> None:
    add_charge(house, shop, "Pool")
    codes = [f"{number:04}" for number in range(1500)]
    add_pool(house, shop, "Pool", codes[:600], ANYWHERE)
    add_pool(house, shop, "Pool", codes[600:], ANYWHERE)
    assert sorted(draw(house, shop, "Pool", 1000, inside=inside).codes) == codes[:1000]
    assert sorted(draw(house, shop, "Pool", 500, inside=inside).codes) == codes[1000:]
