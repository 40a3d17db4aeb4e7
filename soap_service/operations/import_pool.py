"""Import codes made elsewhere into the pool of a charge, where they wait to be drawn.

All of a file or nothing, unless bad lines may be skipped. Repeating an import is harmless: codes that wait in
this pool already are counted and left alone. Memory does not grow with the file: lines are staged in the
database in portions (store/pool_import.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import BinaryIO

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.resolution import inherit, resolve
from soap_service.domain.shops import Shop
from soap_service.domain.terms import FIELDS, Terms, check_explicit, read_explicit
from soap_service.operations.house import House
from soap_service.operations.pool_file import NUMBER, FileFormat, PoolFile
from soap_service.operations.refusal import Refused
from soap_service.store import charges, pools, terms
from soap_service.store.charges import Charge
from soap_service.store.pool_import import REFUSED, ChargeGone, Outcome, Overtaken, Staging, Verdict, staging

LONGEST_CODE = 64
# Every set of terms is a lane of its own, and every draw looks at all lanes of its charge.
MOST_TERMS = 1000
_PORTION = 20_000
_ATTEMPTS = 10


class Step(StrEnum):
    """What an import is busy with."""

    READING = "reading"
    COMPARING = "comparing"
    STORING = "storing"


# Called with the step and the number of lines read so far.
Progress = Callable[[Step, int], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not imported, and why, in English and without what it says."""

    line: int
    reason: str


Report = Callable[[Iterator[Refusal]], None]


@dataclass(frozen=True, slots=True)
class Stock:
    """So many codes with these terms."""

    terms: Terms
    codes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the lines of a file.

    `new` is the stock they are worth, in the order of the file; it is in the pool only if `stored`.
    `already_there` codes waited in this pool before, `with_other_terms` of them with terms that stay as they
    were.
    """

    lines: int
    refused: int
    already_there: int
    with_other_terms: int
    new: list[Stock]
    stored: bool
    has_header: bool

    @property
    def new_codes(self) -> int:
        return sum(stock.codes for stock in self.new)


@dataclass(frozen=True, slots=True)
class Options:
    """How to import. `common`: terms for all lines, as texts by wire name; a line's own fields go first."""

    form: FileFormat = field(default_factory=FileFormat)
    common: Mapping[str, str] = field(default_factory=dict)
    skip_bad: bool = False
    dry_run: bool = False


def import_pool(
    house: House,
    shop: Shop,
    charge_name: str,
    source: BinaryIO,
    options: Options,
    *,
    progress: Progress = lambda step, lines: None,
    report: Report = lambda refusals: None,
) -> Imported:
    """Import a file; with refused lines and without `skip_bad` nothing of it. `report` gets every refused line.

    The terms of a line are its own fields over `common` over the charge's template over the defaults. Raises
    ES019 for an unknown charge, ES012 and ES021 for `common`, UnreadableFile for the file as a whole, Refused
    for more than 1000 sets of terms, StoreUnavailable.
    """
    now = house.clock()
    charge, template, in_stock = _look(house, shop, charge_name)
    common = inherit(check_explicit(read_explicit(options.common, FIELDS), shop), template, shop.currency)
    file = PoolFile(source, options.form)
    sorter = _Sorter(shop, common, file.columns)
    with staging(house.store, shop.shop_id, charge.charge_id) as stage:
        lines = _stage(stage, file, sorter, progress)
        for _ in range(_ATTEMPTS):
            progress(Step.COMPARING, lines)
            verdicts = stage.compare(
                {lane: in_stock.get(lane_terms) for lane, lane_terms in enumerate(sorter.lanes)}
            )
            refused = sum(verdicts.get(verdict, 0) for verdict in REFUSED)
            accepted = stage.accepted()
            stored = bool(accepted) and not options.dry_run and (options.skip_bad or not refused)
            if stored:
                progress(Step.STORING, lines)
                kept = _keep(house, shop, sorter.lanes, accepted)
                in_stock |= {sorter.lanes[lane]: terms_id for lane, (terms_id, _) in kept.items()}
                try:
                    stage.merge(kept, now)
                except Overtaken:
                    continue
                except ChargeGone:
                    raise VoucherFault(FaultCode.CHARGE_UNKNOWN) from None
            report(Refusal(outcome.line, _reason(outcome)) for outcome in stage.refused())
            otherwise = verdicts.get(Verdict.ALREADY_THERE_OTHERWISE, 0)
            return Imported(
                lines=lines,
                refused=refused,
                already_there=verdicts.get(Verdict.ALREADY_THERE, 0) + otherwise,
                with_other_terms=otherwise,
                new=[Stock(sorter.lanes[lane], codes) for lane, codes in accepted.items()],
                stored=stored,
                has_header=file.has_header,
            )
    raise Refused("other imports into this shop were always faster: try again")


def _look(house: House, shop: Shop, charge_name: str) -> tuple[Charge, Terms | None, dict[Terms, int]]:
    """The charge, its template, and the terms of its stock with their ids."""
    with house.store.read() as connection:
        charge = charges.find(connection, shop.shop_id, charge_name)
        if charge is None:
            raise VoucherFault(FaultCode.CHARGE_UNKNOWN)
        ids = {lane.terms_id for lane in pools.lanes(connection, shop.shop_id, charge.charge_id)}
        template_id = charge.terms_id if charge.has_template else None
        known = terms.load(
            house.store, connection, shop.shop_id, ids if template_id is None else ids | {template_id}
        )
    in_stock = {known[terms_id]: terms_id for terms_id in ids}
    return charge, None if template_id is None else known[template_id], in_stock


def _keep(house: House, shop: Shop, lanes: list[Terms], accepted: dict[int, int]) -> dict[int, tuple[int, int]]:
    with house.store.read() as connection:
        return {
            lane: (terms.keep(house.store, connection, shop.shop_id, lanes[lane]), codes)
            for lane, codes in accepted.items()
        }


def _stage(stage: Staging, file: PoolFile, sorter: _Sorter, progress: Progress) -> int:
    """Stage every line of the file, readable or not; returns how many there were."""
    count = 0
    good: list[tuple[int, int, str]] = []
    bad: list[tuple[int, str]] = []
    for line, code, texts in file.lines(lambda line, reason: bad.append((line, reason))):
        lane = sorter.lane(texts)
        if isinstance(lane, str):
            bad.append((line, lane))
        elif len(code) > LONGEST_CODE or not code.isprintable():
            bad.append((line, f"{NUMBER}: expected 1 to {LONGEST_CODE} printable characters"))
        else:
            good.append((line, lane, code))
        if len(good) + len(bad) >= _PORTION:
            count += _flush(stage, good, bad)
            progress(Step.READING, count)
    count += _flush(stage, good, bad)
    progress(Step.READING, count)
    return count


def _flush(stage: Staging, good: list[tuple[int, int, str]], bad: list[tuple[int, str]]) -> int:
    stage.add(good)
    stage.refuse(bad)
    count = len(good) + len(bad)
    good.clear()
    bad.clear()
    return count


class _Sorter:
    """Finds the lane of a line by the texts of its terms; files repeat them, so what was read is remembered."""

    def __init__(self, shop: Shop, common: Terms, columns: tuple[str, ...]) -> None:
        self._shop = shop
        self._common = common
        self._columns = columns
        self._known: dict[tuple[str, ...], int | str] = {}
        self._numbers: dict[Terms, int] = {}
        self.lanes: list[Terms] = []

    def lane(self, texts: tuple[str, ...]) -> int | str:
        """The number of the lane, or the reason why the line cannot be used."""
        found = self._known.get(texts)
        if found is None:
            if len(self._known) >= 10 * MOST_TERMS:
                self._known.clear()  # a file of ever new texts must not fill the memory
            found = self._known[texts] = self._read(texts)
        return found

    def _read(self, texts: tuple[str, ...]) -> int | str:
        # An empty cell says nothing: a sheet has one in every row and column that does not matter.
        said = {name: text for name, text in zip(self._columns, texts, strict=True) if text.strip()}
        try:
            explicit = check_explicit(read_explicit(said, FIELDS), self._shop)
            found = inherit(explicit, self._common, self._shop.currency)
            resolve({}, _on_any_day(found), currency=self._shop.currency, today=date.min)  # fit for a voucher?
        except VoucherFault as fault:
            return explain(fault)
        number = self._numbers.get(found)
        if number is None:
            if len(self.lanes) == MOST_TERMS:
                raise Refused(
                    f"the lines have more than {MOST_TERMS} different sets of terms, and every draw would look "
                    "through them all: make it several charges"
                )
            number = self._numbers[found] = len(self.lanes)
            self.lanes.append(found)
        return number


def _on_any_day(found: Terms) -> Terms:
    # A date beside a number of days fits or not on the day of the draw, which is not today.
    if (found.valid_from_days is None) == (found.valid_until_days is None):
        return found
    return replace(found, valid_from_days=None, valid_until_days=None)


def explain(fault: VoucherFault) -> str:
    """A fault about a field in plain English."""
    if fault.field is None:
        return fault.text
    if fault.code is FaultCode.FIELD_MISSING:
        return f"{fault.field}: a value is missing"
    return f"{fault.field}: expected {fault.expected}"


def _reason(outcome: Outcome) -> str:
    if outcome.verdict is Verdict.REPEATED:
        return f"{NUMBER}: already in line {outcome.detail} of this file"
    if outcome.verdict is Verdict.ISSUED:
        return f"{NUMBER}: already a voucher of charge {outcome.detail}"
    if outcome.verdict is Verdict.ELSEWHERE:
        return f"{NUMBER}: already in the pool of charge {outcome.detail}"
    return outcome.detail
