"""The pool import is all or nothing, alone and among others, whatever the size of the file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from soap_service.domain.faults import VoucherFault
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations import import_pool as module
from soap_service.operations.house import House
from soap_service.operations.import_pool import Imported, Options, Step, import_pool
from soap_service.operations.manage_charges import delete_charge
from soap_service.operations.refusal import Refused
from soap_service.operations.show_vouchers import Lane, pool_lanes
from soap_service.store.pool_import import Staging
from soap_service.store.tables import pool_lane
from soap_service.store.tables import terms as terms_table
from tests.support.factories import add_charge, create
from tests.support.pool import codes_in_order, contents, run

TEN = Terms(currency="EUR", amount=Decimal("10.00"))


@pytest.fixture(autouse=True)
def charge(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool", TEN)
    add_charge(house, shop, "Bare")


# All or nothing


def test_one_bad_line_leaves_nothing(house: House, shop: Shop) -> None:
    before = contents(house.store)
    done = run(house, shop, "Number;Amount\nA-1;11\nA-2;12\nA-3;0\n")
    assert (done.result.new_codes, done.result.refused, done.result.stored) == (2, 1, False)
    assert contents(house.store) == before


def test_bad_lines_can_be_skipped(house: House, shop: Shop) -> None:
    done = run(house, shop, "Number;Amount\nA-1;11\nA-2;0\nA-3;12\nA-1;11\nA-4;11\n", skip_bad=True)
    assert (done.result.lines, done.result.new_codes, done.result.refused) == (5, 3, 2)
    assert [(number, code) for _, number, code in codes_in_order(house)] == [(1, "A-1"), (2, "A-4"), (1, "A-3")]


def test_a_dry_run_changes_nothing_and_tells_the_same(house: House, shop: Shop) -> None:
    content = "Number;Amount\nA-1;11\nA-2;0\nA-3;12\n"
    before = contents(house.store)
    dry = run(house, shop, content, skip_bad=True, dry_run=True)
    assert contents(house.store) == before
    wet = run(house, shop, content, skip_bad=True)
    assert dry.refusals == wet.refusals
    assert dry.result.new == wet.result.new
    assert (dry.result.stored, wet.result.stored) == (False, True)


def test_a_repeated_import_finds_everything_there(house: House, shop: Shop) -> None:
    content = "Number;Amount\nA-1;11\nA-2;12\n"
    run(house, shop, content)
    before = contents(house.store)
    again = run(house, shop, content)
    assert (again.result.already_there, again.result.with_other_terms, again.result.refused) == (2, 0, 0)
    assert not again.result.stored
    other = run(house, shop, "Number;Amount\nA-1;11\nA-2;99\n")
    assert (other.result.already_there, other.result.with_other_terms) == (2, 1)
    assert contents(house.store) == before
    more = run(house, shop, content + "A-3;11\n")
    assert (more.result.already_there, more.result.new_codes, more.result.stored) == (2, 1, True)


def test_an_unknown_charge_and_bad_common_terms_are_faults(house: House, shop: Shop) -> None:
    for charge, common, code in (
        ("nowhere", {}, "ES019"),
        ("Pool", {"Amount": "x"}, "ES012"),
        ("Pool", {"Amount": "0"}, "ES021"),
    ):
        with pytest.raises(VoucherFault) as caught:
            run(house, shop, "A-1\n", charge, common=common)
        assert caught.value.code == code


def test_there_is_a_limit_to_sets_of_terms(house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TERMS", 3)
    monkeypatch.setattr(module, "_PORTION", 2)
    content = "Number;Amount\n" + "".join(f"A-{number};{number % 3 + 1}\n" for number in range(50))
    assert run(house, shop, content).result.new_codes == 50
    before = contents(house.store)
    with pytest.raises(Refused, match="more than 3 different sets of terms"):
        run(house, shop, "Number;Amount\n" + "".join(f"B-{number};{number + 1}\n" for number in range(4)))
    assert contents(house.store) == before


def test_an_import_that_breaks_off_leaves_nothing(house: House, shop: Shop) -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("the disk is gone")
            return super().read1(10)

    before = contents(house.store)
    with pytest.raises(OSError, match="the disk is gone"):
        import_pool(house, shop, "Pool", Broken(b"A-1\nA-2\nA-3\n"), Options())
    assert contents(house.store) == before


def test_an_interrupted_merge_leaves_nothing(house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Staging._store

    def interrupted(self: Staging, *arguments: Any) -> None:
        store(self, *arguments)
        raise KeyboardInterrupt

    with house.store.read() as connection:
        lanes_before = connection.execute(select(func.count()).select_from(pool_lane)).scalar_one()
    monkeypatch.setattr(Staging, "_store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(house, shop, "A-1\nA-2\n")
    monkeypatch.undo()
    assert contents(house.store)["pool_lane"] == lanes_before
    assert codes_in_order(house) == []
    assert run(house, shop, "A-1\nA-2\n").result.new_codes == 2


def test_staging_leaves_no_tables_behind(house: House, shop: Shop) -> None:
    run(house, shop, "A-1\n")
    with house.store.read() as connection:
        query = (
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_%'"
            if house.store.is_postgresql
            else "SELECT count(*) FROM temp.sqlite_master"
        )
        assert connection.execute(text(query)).scalar_one() == 0


# Several at once


def during(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> list[str]:
    """Do something between the comparison and the merge of the next import; returns what merges said."""
    merge = Staging.merge
    said: list[str] = []
    actions = [action]

    def interposed(self: Staging, *arguments: Any) -> None:
        if actions:
            actions.pop()()
        try:
            merge(self, *arguments)
        except Exception as error:
            said.append(type(error).__name__)
            raise

    monkeypatch.setattr(Staging, "merge", interposed)
    return said


def test_an_import_that_is_overtaken_by_the_same_file(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "Number;Amount\nA-1;11\nA-2;12\n"
    said = during(monkeypatch, lambda: run(house, shop, content))
    slow = run(house, shop, content + "A-3;11\n")
    assert said == ["Overtaken"]
    assert (slow.result.already_there, slow.result.with_other_terms, slow.result.new_codes) == (2, 0, 1)
    assert sorted(code for _, _, code in codes_in_order(house)) == ["A-1", "A-2", "A-3"]


def test_an_import_that_is_overtaken_by_another_charge(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = during(monkeypatch, lambda: run(house, shop, "A-2\n", "Bare", common={"Amount": "1"}))
    slow = run(house, shop, "A-1\nA-2\n")
    assert said == ["Overtaken"]
    assert slow.reasons == {2: "Number: already in the pool of charge Bare"}
    assert [code for _, _, code in codes_in_order(house)] == ["A-2"]


def test_an_import_whose_charge_is_deleted_meanwhile(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = during(monkeypatch, lambda: delete_charge(house, shop, "Pool"))
    with pytest.raises(VoucherFault, match="ES019"):
        run(house, shop, "A-1\n")
    assert said == ["ChargeGone"]
    assert codes_in_order(house) == []


def test_two_imports_and_draws_at_once_lose_and_double_nothing(house: House, shop: Shop) -> None:
    numbers = [f"N{number:05}" for number in range(6000)]
    results: list[Imported] = []
    drawn: list[str] = []
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def body() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return threading.Thread(target=body)

    def importing(order: list[str]) -> Callable[[], None]:
        return lambda: results.append(run(house, shop, "\n".join(order), skip_bad=True).result)

    def drawing() -> None:
        while len(drawn) < 2000:
            try:
                drawn.extend(create(house, shop, ChargeId="Pool", Pool=True, VoucherCount=100).codes)
            except VoucherFault as fault:
                if fault.code != "ES024" or (len(results) == 2 and not pool_lanes(house, shop, "Pool")):
                    raise

    threads = [guarded(importing(numbers[:4000])), guarded(importing(numbers[:1999:-1])), guarded(drawing)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sum(result.new_codes for result in results) == 6000
    left = [lane.available for lane in pool_lanes(house, shop, "Pool")]
    assert len(set(drawn)) == len(drawn)
    assert sum(left) + len(drawn) == 6000
    assert sorted(code for _, _, code in codes_in_order(house)) == numbers


def test_reading_and_comparing_keep_nobody_waiting(house: House, shop: Shop) -> None:
    made: list[str] = []

    def progress(step: Step, lines: int) -> None:
        # SQLite has one writer: were it the import, this would wait ten seconds and fail.
        made.extend(create(house, shop, ChargeId="Pool", VoucherCount=1).codes)

    import_pool(house, shop, "Pool", io.BytesIO(b"A-1\nA-2\n"), Options(), progress=progress)
    assert len(made) == 3


def test_the_merge_waits_for_its_turn(house: House, shop: Shop) -> None:
    with house.store.write() as other:
        other.execute(text("UPDATE charge SET description = 'busy'"))
        results: list[Imported] = []
        thread = threading.Thread(target=lambda: results.append(run(house, shop, "A-1\n").result))
        thread.start()
        thread.join(1)
        assert results == []
    thread.join(30)
    assert results[0].stored


# Size


def test_progress_is_told_in_portions(house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORTION", 10)
    told: list[tuple[Step, int]] = []
    source = io.BytesIO("".join(f"N{number}\n" for number in range(25)).encode())
    import_pool(house, shop, "Pool", source, Options(), progress=lambda step, lines: told.append((step, lines)))
    assert told == [
        (Step.READING, 10),
        (Step.READING, 20),
        (Step.READING, 25),
        (Step.COMPARING, 25),
        (Step.STORING, 25),
    ]


def test_refused_lines_come_in_the_order_of_the_file_however_many(house: House, shop: Shop) -> None:
    lines = "".join(f"N{number};{'x' if number % 2 else 1}\n" for number in range(12_000))
    done = run(house, shop, "Number;Amount\n" + lines + "N0;1\n")
    assert [refusal.line for refusal in done.refusals] == [*range(3, 12_002, 2), 12_002]


_MEASURE = """
import resource, sys
from soap_service.operations.house import House
from soap_service.operations.import_pool import Options, import_pool
from soap_service.operations.manage_shops import get_shop
from soap_service.store.engine import Store

store = Store(sys.argv[1])
house = House(store)
result = import_pool(house, get_shop(house, "TestShop"), "Pool", sys.stdin.buffer, Options(skip_bad=True))
print(result.new_codes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _lines(count: int) -> Iterator[bytes]:
    yield b"Number;Amount;ChargeLabel\n"
    for number in range(count):
        # Every tenth line is refused, each with a text never seen before.
        amount = f"x{number}" if number % 10 == 0 else str(number % 50 + 1)
        yield f"{number:09}-{'c' * 40};{amount};a label that makes the lines long\n".encode()


def test_memory_does_not_grow_with_the_file(house: House, shop: Shop, tmp_path: Path) -> None:
    def peak(count: int) -> tuple[int, int]:
        file = tmp_path / f"{count}.csv"
        with file.open("wb") as target:
            target.writelines(_lines(count))
        url = house.store.url.render_as_string(hide_password=False)
        with file.open("rb") as source:
            done = subprocess.run(
                [sys.executable, "-c", _MEASURE, url],
                stdin=source,
                capture_output=True,
                text=True,
                check=True,
                timeout=100,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        codes, kilobytes = map(int, done.stdout.split())
        return codes, kilobytes // 1024

    small_codes, small = peak(5_000)
    assert small_codes == 4_500
    large_codes, large = peak(150_000)
    assert large_codes == 150_000 * 9 // 10 - 4_500
    # The file is 14 MB, and as Python objects 80. SQLite's page cache is up to 64 MB of it.
    assert large - small < (90 if not house.store.is_postgresql else 25), (small, large)


def test_terms_rows_are_made_for_what_is_imported_only(house: House, shop: Shop) -> None:
    before = contents(house.store)["terms"]
    run(house, shop, "Number;Amount\nA-1;11\nA-1;12\n", skip_bad=True)
    with house.store.read() as connection:
        amounts = list(connection.scalars(select(terms_table.c.amount)))
    assert contents(house.store)["terms"] == before + 1
    assert Decimal("12.00") not in amounts


def test_lanes_with_a_subshop_are_counted_apart(house: House, shop: Shop) -> None:
    run(house, shop, "Number;Subshop\nA-1;\nA-2;B2B\nA-3;B2B\n")
    assert pool_lanes(house, shop, "Pool", "B2c") == [Lane(1, TEN)]
    assert sum(lane.available for lane in pool_lanes(house, shop, "Pool", "B2B")) == 3
    with pytest.raises(Refused, match="expected one of the shop: B2c, B2B"):
        pool_lanes(house, shop, "Pool", "nowhere")
