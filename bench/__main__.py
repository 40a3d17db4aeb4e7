"""`python -m bench`: measure, print, and write docs/performance.md; `--quick` is small and writes nothing."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import data, environment, report
from bench.measure import CONNECTIONS, SERVICE_PATH, Stand
from bench.report import Result
from bench.works import BARE, Work, WrongAnswer, works
from soap_service.store.engine import Store

PAGE = environment.ROOT / "docs" / "performance.md"


@dataclass(frozen=True)
class Scale:
    """How much of everything; a run lasts `seconds`."""

    rounds: int
    seconds: int
    many: int
    pool: int


FULL = Scale(rounds=11, seconds=2, many=4_000_000, pool=500_000)
QUICK = Scale(rounds=3, seconds=1, many=200_000, pool=100_000)


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, 200 000 codes; the last line is JSON")
    quick = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    console = Console(stderr=True)
    try:
        environment.wrk()
        if not quick:
            report.require_markers(PAGE)
        results, facts = measure(QUICK if quick else FULL, console)
    except (RuntimeError, WrongAnswer) as error:
        sys.exit(f"no result: {error}")
    report.show(results, Console(width=None if sys.stdout.isatty() else 160))
    if quick:
        print(json.dumps({result.work.key: round(result.ratio, 3) for result in results}))
    else:
        command = "python -m bench"
        report.write(PAGE, results, facts | {"Command": f"`{command}`: {_described(FULL)}"})
        console.print(f"written: {PAGE.relative_to(environment.ROOT)}")


def measure(scale: Scale, console: Console) -> tuple[list[Result], dict[str, str]]:
    """The results of all works, and the facts of the machine."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        postgres = stack.enter_context(environment.durable_postgres())
        facts = environment.machine(postgres, directory)
        url = postgres.url(environment.DATABASE)
        if os.getloadavg()[0] > 0.5:
            console.print("this machine is busy with other things: the numbers will be worse, and rougher")
        console.print(f"loading {scale.many} codes into PostgreSQL {postgres.version[0]} ({postgres.way})")
        store = Store(url)
        data.load_shop(store)
        loaded = data.load_codes(store, many=scale.many, pool=scale.pool)
        store.close()
        sqlite = directory / "sqlite"
        _load_sqlite(sqlite)
        serving = environment.serving
        servers = {
            "postgresql": stack.enter_context(
                serving(directory / "postgresql", environment.SERVICE, DATABASE_URL=url)
            ),
            "sqlite": stack.enter_context(serving(sqlite, environment.SERVICE)),
        }
        stands = {
            work.key: Stand(
                work,
                servers[work.store],
                SERVICE_PATH,
                _write_requests(directory, work),
                postgres.pid if work.store == "postgresql" else None,
            )
            for work in works(loaded)
        }
        answers = directory / "answers"
        answers.mkdir()
        console.print("checking the answers")
        for key, stand in stands.items():
            (answers / key).write_bytes(stand.warm())
        bare = stack.enter_context(serving(directory / BARE, [*environment.BARE, str(answers)]))
        bare_stands = {
            key: Stand(stand.work, bare, f"/{key}", stand.requests, None)
            for key, stand in stands.items()
            if stand.work.against == BARE
        }
        for key, stand in bare_stands.items():
            if stand.warm() != (answers / key).read_bytes():
                raise RuntimeError(f"the bare application answers {key} with other bytes")
        return _rounds(scale, stands, bare_stands, console), facts


def _rounds(
    scale: Scale, stands: dict[str, Stand], bare_stands: dict[str, Stand], console: Console
) -> list[Result]:
    results = {key: Result(stand.work) for key, stand in stands.items()}
    for number in range(scale.rounds):
        console.print(f"round {number + 1} of {scale.rounds}", highlight=False)
        for key, result in results.items():
            pair = [(stands[key], result.runs)]
            if key in bare_stands:
                pair.append((bare_stands[key], result.others))
            for stand, runs in reversed(pair) if number % 2 else pair:
                runs.append(stand.run(scale.seconds))
    for result in results.values():
        if result.work.against != BARE:
            result.others.extend(results[result.work.against].runs)
    for stand in stands.values():
        stand.warm()  # still the right answers
    return list(results.values())


def _load_sqlite(directory: Path) -> None:
    directory.mkdir()
    store = Store(f"sqlite:///{directory / 'createvouchers.db'}")
    data.load_shop(store)
    store.close()


def _write_requests(directory: Path, work: Work) -> Path:
    path = directory / f"{work.key}.requests"
    path.write_text("".join(f"{request}\n" for request in work.requests))
    return path


def _described(scale: Scale) -> str:
    return (
        f"{scale.rounds} rounds, {scale.seconds} seconds a run, {CONNECTIONS} connections, 2 workers,"
        f" {scale.many} codes in one charge, {scale.pool} in the pool"
    )


if __name__ == "__main__":
    main()
