"""The oracle's verdicts beside the corpus' own, and beside what differences.toml explains."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from interop.oracle.replay import Heard
from tests.support.corpus import Case

EXPLANATIONS = Path(__file__).parent / "differences.toml"
DECISIONS = Path(__file__).parents[2] / "docs" / "decisions.md"
HEADING = "## What a gSOAP server does differently"

# Of a 32-bit float, 24 bits are digits.
_FLOAT_NOISE = Decimal(2) ** -23


class Kind(StrEnum):
    """What the gSOAP server does where this service does something else."""

    ACCEPTS = "accepts"
    REFUSES = "refuses"
    READS = "reads otherwise"


@dataclass(frozen=True)
class Difference:
    """One request of the corpus that the two take differently; `ours` and `theirs` are for people."""

    case: str
    kind: Kind
    ours: str
    theirs: str


@dataclass(frozen=True)
class Explanation:
    """Why the differences of some cases are as they should be."""

    title: str
    kind: Kind
    why: str
    cases: tuple[str, ...]


def differences(cases: Iterable[Case], heard: Mapping[str, Heard]) -> list[Difference]:
    """The cases that the oracle takes otherwise than the corpus expects of the service, in their order."""
    found = (_difference(case, heard[case.name]) for case in cases)
    return [difference for difference in found if difference]


def _difference(case: Case, heard: Heard) -> Difference | None:
    created = case.rule("created")
    if created is None:
        ours = case.rule("fault") or f"HTTP {case.rule('status')}"
        return Difference(case.name, Kind.ACCEPTS, ours, heard.said) if heard.accepts else None
    if not heard.accepts:
        return Difference(case.name, Kind.REFUSES, "accepted", heard.said)
    here: list[str] = []
    there: list[str] = []
    if heard.vouchers != int(created):
        here.append(f"{created} vouchers")
        there.append(f"{heard.vouchers} vouchers")
    for name, _, text in (rule.partition("=") for rule in case.rules.get("says", [])):
        text = text.replace("\\n", "\n")
        if name == "MsgID" and heard.msg_id != text:
            here.append(f"MsgID {text!r}")
            there.append("no MsgID" if heard.msg_id is None else f"MsgID {heard.msg_id!r}")
        # Without an amount in the request ours is the template's, of which the oracle knows nothing.
        elif name == "Amount" and heard.amount is not None and not _same(heard.amount, Decimal(text)):
            here.append(f"Amount {text}")
            there.append(f"Amount {heard.amount}")
    return Difference(case.name, Kind.READS, ", ".join(here), ", ".join(there)) if there else None


def _same(of_float: Decimal, exact: Decimal) -> bool:
    return abs(of_float - exact) <= abs(exact) * _FLOAT_NOISE


def explanations(path: Path = EXPLANATIONS) -> list[Explanation]:
    """Read differences.toml. Raises ValueError when a title or a case is there twice."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["difference"]
    read = [
        Explanation(one["title"], Kind(one["gsoap"]), " ".join(one["why"].split()), tuple(one["cases"]))
        for one in entries
    ]
    counts = Counter([*(one.title for one in read), *(case for one in read for case in one.cases)])
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise ValueError(f"{path.name}: twice: {', '.join(twice)}")
    return read


def problems(found: Iterable[Difference], explained: Iterable[Explanation]) -> list[str]:
    """Differences without an explanation, and explanations without a difference; none when all is well."""
    said = {(case, one.kind): one.title for one in explained for case in one.cases}
    seen = {(difference.case, difference.kind): difference for difference in found}
    return [
        *(
            f"not explained: gSOAP {kind} {case} (here: {seen[case, kind].ours}; there: {seen[case, kind].theirs})"
            for case, kind in seen
            if (case, kind) not in said
        ),
        *(f"explained, but not seen: gSOAP {kind} {case}" for case, kind in said if (case, kind) not in seen),
    ]


def undocumented(explained: Iterable[Explanation], decisions: str) -> list[str]:
    """The explanations that the section in docs/decisions.md does not give in the same words."""
    _, _, rest = decisions.partition(f"\n{HEADING}\n")
    section = " ".join(rest.partition("\n## ")[0].split())
    return [
        f"not in docs/decisions.md: {one.title}"
        for one in explained
        if f"- **{one.title}.** {one.why}" not in section
    ]
