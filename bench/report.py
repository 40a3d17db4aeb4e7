"""The results, for the terminal, for docs/performance.md and for programs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Run
from bench.works import BARE, Work

BEGIN, END = "<!-- results: begin (written by python -m bench) -->", "<!-- results: end -->"


@dataclass(frozen=True)
class Result:
    """The runs of one work, one a round, and those it is compared with in the same rounds."""

    work: Work
    runs: list[Run] = field(default_factory=list)
    others: list[Run] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How many times the CPU of the other, by rounds.

        Beside the bare application it is that of the serving processes; of two works of the service, which
        differ in what the database does, that of PostgreSQL too.
        """
        if self.work.against == BARE:
            return [run.serving / other.serving for run, other in zip(self.runs, self.others, strict=True)]
        return [run.cpu / other.cpu for run, other in zip(self.runs, self.others, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        return self.work.aim is None or self.ratio <= self.work.aim

    def median(self, of: Callable[[Run], float]) -> float:
        return statistics.median(map(of, self.runs))


Rows = tuple[str, list[str], list[list[str]]]


def tables(results: Sequence[Result]) -> list[Rows]:
    """Title, headings and rows of the two tables: the aims, and everything that was measured."""
    names = {result.work.key: result.work.title for result in results} | {BARE: "the bare application"}
    aims = [
        [
            result.work.title,
            names[result.work.against],
            _spread(result.ratios, 2),
            "" if result.work.aim is None else f"≤ {result.work.aim:g} ×",
            "" if result.work.aim is None else "reached" if result.reached else "**missed**",
        ]
        for result in results
    ]
    measured = []
    for result in results:
        measured.append([result.work.title, *_numbers(result.runs, with_database=result.work.store != "sqlite")])
        if result.work.against == BARE:
            measured.append(["– bare application, the same bytes", *_numbers(result.others, with_database=False)])
    heads = ["work", "calls/s", "p50 ms", "p99 ms", "CPU serving, ms/call", "CPU PostgreSQL, ms/call"]
    return [
        ("CPU per call, as a ratio", ["work", "beside", "ratio", "aim", ""], aims),
        ("Measured", heads, measured),
    ]


def _numbers(runs: Sequence[Run], *, with_database: bool) -> list[str]:
    return [
        _spread([run.rate for run in runs], 0),
        _spread([run.p50 for run in runs], 1),
        _spread([run.p99 for run in runs], 1),
        _spread([run.serving for run in runs], 2),
        _spread([run.database for run in runs], 2) if with_database else "–",
    ]


def _spread(values: Sequence[float], digits: int) -> str:
    middle, least, most = (
        f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({least}–{most})"


def reading(results: Sequence[Result]) -> list[str]:
    """What the numbers say, in sentences: first what was missed."""
    by_key = {result.work.key: result for result in results}
    missed = [result for result in results if not result.reached]
    aimed = [result for result in results if result.work.aim is not None]
    lines = [f"{len(aimed) - len(missed)} of {len(aimed)} aims are reached."]
    lines += [
        f"{result.work.title} costs {result.ratio:.2f} × where {result.work.aim:g} × was the aim."
        for result in missed
    ]
    one, thousand, page = by_key["create_1"], by_key["create_1000"], by_key["codes_1000"]
    # A call of a thousand in ms is one of the thousand in µs.
    return [
        *lines,
        f"A voucher made alone takes {_cpu(one, 'ms')}; one of a thousand in a call {_cpu(thousand, 'µs')}.",
        f"A code in a page of 1000 takes {_cpu(page, 'µs')}.",
        f"A page somewhere else every time costs {by_key['codes_anywhere'].ratio:.2f} × the first page, the same"
        " deep page again and again {:.2f} ×.".format(by_key["codes_deep"].ratio),
    ]


def _cpu(result: Result, unit: str) -> str:
    serving, database = result.median(lambda run: run.serving), result.median(lambda run: run.database)
    return f"{serving:.2f} {unit} CPU in the service and {database:.2f} {unit} in PostgreSQL"


def show(results: Sequence[Result], console: Console) -> None:
    """Print the tables and the reading."""
    for title, heads, rows in tables(results):
        table = Table(title=title, title_justify="left")
        for head in heads:
            table.add_column(head, justify="left" if head in ("work", "beside") else "right")
        for row in rows:
            table.add_row(*(cell.replace("**", "") for cell in row))
        console.print(table)
    for line in reading(results):
        console.print(line)


def require_markers(path: Path) -> None:
    """Raise RuntimeError unless the page has the place for the results; better before the run than after."""
    page = path.read_text()
    if not 0 <= page.find(BEGIN) < page.find(END):
        raise RuntimeError(f"{path} has no lines {BEGIN!r} and {END!r}")


def write(path: Path, results: Sequence[Result], facts: dict[str, str]) -> None:
    """Put the results between the two markers of the page."""
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    for title, heads, rows in tables(results):
        lines += ["", f"### {title}", "", *_markdown(heads, rows)]
    lines += ["", "### What it says", "", *(f"- {line}" for line in reading(results))]
    page = path.read_text()
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text("\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"]))


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]
