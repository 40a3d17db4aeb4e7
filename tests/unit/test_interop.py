"""The frame of `make interop`: what counts as a hole, how stacks are run, what the matrix says."""

from __future__ import annotations

import fcntl
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from interop import report, runner, spoil, stumble
from interop.checks import CHECKS, Hole, Verdict, read
from interop.runner import Outcome
from interop.service import Service

ALL_OK = [f"ok {check}" for check in CHECKS]


def replaced(check: str, *lines: str) -> str:
    """The output of a program that passes everything but says this about one check."""
    return "\n".join(
        line for name, ok in zip(CHECKS, ALL_OK, strict=True) for line in (lines if name == check else [ok])
    )


def test_a_program_that_passes_everything_has_no_hole() -> None:
    output = "\n".join(["a warning", "version  1.2 (Debian) ", "other talk", *ALL_OK, "ok"])
    assert read(output) == Verdict("1.2 (Debian)", frozenset(CHECKS), ())


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "the program printed no line"),
        (["FAIL pool 2 instead of 3"], "2 instead of 3"),
        (["FAIL pool"], "failed without saying why"),
        (["ok pool", "ok pool"], "the program printed 2 lines"),
        (["FAIL pool first", "ok pool"], "the program printed 2 lines"),
        (["ok pool but not really"], None),
        (["OK pool"], "the program printed no line"),
    ],
)
def test_what_is_a_hole(lines: list[str], why: str | None) -> None:
    verdict = read(replaced("pool", *lines))
    if why is None:  # what stands behind `ok <check>` does not count
        assert verdict.holes == ()
    else:
        assert verdict.holes == (Hole("pool", why),)
        assert verdict.passed == set(CHECKS) - {"pool"}


def test_a_check_that_there_is_not_is_a_hole() -> None:
    assert read("\n".join([*ALL_OK, "ok nonsense"])).holes == (Hole("nonsense", "there is no such check"),)


def test_the_order_of_the_checks_counts() -> None:
    verdict = read("\n".join(reversed(ALL_OK)))
    assert [hole.where for hole in verdict.holes] == ["order"]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service("https://localhost:1/x", tmp_path / "wsdl", tmp_path / "ca.pem", tmp_path / "service.log")


AddStack = Callable[..., str]


@pytest.fixture
def add_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddStack:
    monkeypatch.setattr(runner, "STACKS", tmp_path / "stacks")
    monkeypatch.setattr(runner, "BUILDS", tmp_path / "builds")

    def add(name: str, **scripts: str) -> str:
        (tmp_path / "stacks" / name).mkdir(parents=True)
        for step, script in scripts.items():
            (tmp_path / "stacks" / name / step).write_text(script)
        return name

    return add


def test_steps_run_in_order_in_the_stacks_directory(add_stack: AddStack, service: Service) -> None:
    say = 'echo "$(basename "$0") $(basename "$PWD")" >>"$CV_BUILD/steps"\n'
    name = add_stack(
        "one", install=say, build=say, run=say + "printf '%s\\n' 'version 7' 'ok charges'; echo oh >&2"
    )
    (outcome,) = runner.run([name], service, 1)
    assert outcome.verdict.version == "7"
    assert outcome.verdict.passed == {"charges"}
    assert (runner.BUILDS / "one" / "steps").read_text() == "install one\nbuild one\nrun one\n"
    log = "== install ==\n== build ==\n== run ==\noh\nversion 7\nok charges\n"
    assert outcome.log_file.read_text() == log


def test_outcomes_come_in_the_order_asked_for(add_stack: AddStack, service: Service) -> None:
    names = [add_stack(name, install="", run=f"sleep {pause}") for name, pause in (("b", 0.3), ("a", 0), ("c", 0))]
    assert [outcome.stack for outcome in runner.run(names, service, 3)] == names


@pytest.mark.parametrize("step", ["install", "build", "run"])
def test_a_step_that_fails_is_a_hole_and_the_last_step(add_stack: AddStack, service: Service, step: str) -> None:
    scripts = {
        "install": "echo install >&2",
        "build": "echo build >&2",
        "run": "\n".join(map("echo {}".format, ALL_OK)),
    }
    name = add_stack("one", **scripts | {step: f"{scripts[step]}\nexit 3"})
    (outcome,) = runner.run([name], service, 1)
    assert outcome.verdict.holes[0] == Hole(step, "ended with code 3")
    assert len(outcome.verdict.holes) == (1 if step == "run" else 1 + len(CHECKS))
    assert ("== run ==" in outcome.log_file.read_text()) == (step == "run")


def test_a_step_that_hangs_is_ended_with_its_children(
    add_stack: AddStack, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runner._TIMES, "run", 0.5)
    name = add_stack("one", install="", run='echo ok charges; sleep 60 & echo $! >"$CV_BUILD/child"; wait')
    (outcome,) = runner.run([name], service, 1)
    assert outcome.verdict.holes[0] == Hole("run", "took longer than 0 seconds")
    assert outcome.verdict.passed == {"charges"}
    assert is_gone(int((runner.BUILDS / "one" / "child").read_text()))


def test_giving_up_ends_what_runs(add_stack: AddStack, service: Service) -> None:
    add_stack("quick", install="", run="")
    add_stack("slow", install="", run='echo $$ >"$CV_BUILD/pid"; exec sleep 60')
    add_stack("later", install="", run="touch started")
    outcomes = runner.run(["quick", "slow", "later"], service, 1)
    assert next(outcomes).stack == "quick"
    pid_file = runner.BUILDS / "slow" / "pid"
    deadline = time.monotonic() + 10
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    outcomes.close()  # type: ignore[attr-defined]
    assert is_gone(int(pid_file.read_text()))
    assert not (runner.STACKS / "later" / "started").exists()


def is_gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_a_stack_sees_its_own_variables_and_nobody_elses(
    add_stack: AddStack, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREATEVOUCHERS_PORT", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/other.pem")
    name = add_stack("one", install='env >"$CV_BUILD/install"', run='env >"$CV_BUILD/run"')
    list(runner.run([name], service, 1))
    seen = {
        step: dict(line.split("=", 1) for line in (runner.BUILDS / "one" / step).read_text().splitlines())
        for step in ("install", "run")
    }
    assert seen["run"].items() >= service.variables.items()
    assert seen["run"]["CV_STACK"] == "one"
    assert seen["run"]["CV_BUILD"] == str(runner.BUILDS / "one")
    assert not {"CREATEVOUCHERS_PORT", "PYTHONPATH", "REQUESTS_CA_BUNDLE"} & seen["run"].keys()
    assert seen["install"]["REQUESTS_CA_BUNDLE"] == "/etc/other.pem"


@pytest.fixture
def outcomes(tmp_path: Path) -> list[Outcome]:
    log = tmp_path / "log"
    log.write_text("the last words\n")
    good = Verdict("4.3.3", frozenset(CHECKS), ())
    bad = Verdict("", frozenset(CHECKS[1:]), (Hole("charges", "2 [instead] of 3"),))
    return [Outcome("zeep", good, log), Outcome("unheard-of", bad, log)]


def test_the_matrix_has_a_row_per_stack_and_a_tick_per_check(outcomes: list[Outcome]) -> None:
    head, line, zeep, other = report.matrix(outcomes)
    assert head == f"| stack | version | {' | '.join(CHECKS)} |"
    assert line.count("|") == head.count("|")
    assert zeep == "| [zeep (Python)](zeep.md) | 4.3.3 |" + " ✓ |" * len(CHECKS)
    assert other == "| [unheard-of](unheard-of.md) | – | ✗ |" + " ✓ |" * (len(CHECKS) - 1)


def test_the_matrix_goes_between_the_markers(
    outcomes: list[Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "README.md"
    monkeypatch.setattr(report, "INDEX", index)
    index.write_text(f"before\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nafter\n")
    report.require_markers()
    report.write(outcomes)
    written = index.read_text()
    assert written == "\n".join(
        ["before\n", report.BEGIN, "", *report.matrix(outcomes), "", report.END, "\nafter\n"]
    )
    report.write(outcomes)
    assert index.read_text() == written


def test_an_index_without_markers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "INDEX", tmp_path / "README.md")
    report.INDEX.write_text(f"{report.END}\n{report.BEGIN}\n")
    with pytest.raises(ValueError, match="has no lines"):
        report.require_markers()


def test_the_table_names_every_hole(outcomes: list[Outcome]) -> None:
    console = Console(record=True, width=170, file=io.StringIO())
    report.show(outcomes, console)
    text = console.export_text()
    assert text.count("HOLE") == 1
    assert "unheard-of: charges: 2 [instead] of 3" in text
    assert "    the last words" in text


def test_there_is_something_to_spoil_for_every_check_and_once_a_round() -> None:
    assert set(spoil.SPOILS) == set(CHECKS)
    for check, changes in spoil.SPOILS.items():
        assert [changes for changes in spoil.ROUNDS if check in changes] == [
            spoil.ROUNDS[number] for number, change in enumerate(changes) if change
        ]


@pytest.mark.parametrize(("method", "text"), [("POST", "Köln ? und €"), ("GET", "Köln € und €")])
def test_a_spoiled_answer_is_changed_once_and_has_the_right_length(method: str, text: str) -> None:
    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "7"), ("Content-Type", "text/xml")])
        return ["Köln € ".encode(), "und €".encode()]

    heads: list[Any] = []
    spoiled = spoil.spoiling(application, [("€", "?")])
    (body,) = spoiled({"REQUEST_METHOD": method}, lambda *head: heads.extend(head))
    assert body.decode() == text
    assert heads == ["200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]]


def test_of_each_key_three_answers_are_lost_and_all_calls_made(tmp_path: Path) -> None:
    made: list[str | None] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        made.append(environ.get("HTTP_IDEMPOTENCY_KEY"))
        start_response("200 OK", [("Content-Length", "4"), ("Content-Type", "text/xml")])
        return [b"code"]

    class Socket:
        shut = 0

        def shutdown(self, _how: int) -> None:
            self.shut += 1

    def call(key: str | None) -> tuple[str, bytes]:
        heads: list[Any] = []
        environ: dict[str, Any] = {"gunicorn.socket": sock}
        if key is not None:
            environ["HTTP_IDEMPOTENCY_KEY"] = key
        body = b"".join(stumbled(environ, lambda *head: heads.extend(head)))
        assert dict(heads[1])["Content-Length"] == str(len(body))
        return heads[0], body

    sock = Socket()
    stumbled = stumble.stumbling(application, tmp_path)
    assert call(None) == ("200 OK", b"code")
    answers = [call("a/ü") for _ in range(5)]
    assert sock.shut == 1
    assert [status.split()[0] for status, _ in answers] == ["200", "502", "500", "200", "200"]
    assert b"ES005" in answers[2][1]
    assert answers[3:] == [("200 OK", b"code")] * 2
    call("b")
    assert sock.shut == 2
    assert made == [None, *["a/ü"] * 5, "b"]


def test_a_stack_waits_for_another_process_that_is_at_it(add_stack: AddStack, service: Service) -> None:
    name = add_stack("one", install="", run='echo "ran" >"$CV_BUILD/ran"')
    directory = runner.BUILDS / name
    directory.mkdir(parents=True)
    with (directory / "lock").open("w") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = pool.submit(lambda: list(runner.run([name], service, 1)))
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        assert not (directory / "ran").exists()
        fcntl.flock(lock, fcntl.LOCK_UN)
        waiting.result(10)
    assert (directory / "ran").exists()
