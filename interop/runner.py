"""Runs stacks: install, build, run, each a script of the stack (interop/README.md, "A stack").

Installs come one after another, whatever else runs on the machine: package managers lock. Builds and runs of
several stacks may overlap.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from interop import checks
from interop.checks import Hole, Verdict
from interop.service import ROOT, Service

STACKS = ROOT / "interop" / "stacks"
BUILDS = ROOT / ".interop"

#: Seconds for each step. An install may have to fetch some hundred megabytes.
_TIMES = {"install": 1800.0, "build": 900.0, "run": 300.0}
_LAST_WORDS = 5.0

#: Would make a client trust something else than CV_CA. An install may need them.
_OTHER_TRUST = {"CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"}


@dataclass(frozen=True)
class Outcome:
    """How a stack did; its scripts' output is in `log_file`."""

    stack: str
    verdict: Verdict
    log_file: Path


def stacks() -> list[str]:
    """The names of all stacks, sorted."""
    return sorted(path.name for path in STACKS.iterdir() if path.is_dir())


def run(names: Sequence[str], service: Service, jobs: int) -> Iterator[Outcome]:
    """Run these stacks, up to `jobs` of them at a time, and yield their outcomes in the order of `names`.

    All scripts that run are ended when the iteration is given up.
    """
    BUILDS.mkdir(exist_ok=True)
    scripts = Scripts()
    with ThreadPoolExecutor(1) as installer, ThreadPoolExecutor(jobs) as workers:
        works = [_Work(name, service, scripts) for name in names]
        installs = [installer.submit(work.install) for work in works]
        runs = [workers.submit(work.build_and_run, install) for work, install in zip(works, installs, strict=True)]
        try:
            for future in runs:
                yield future.result()
        finally:
            scripts.end_all()
            installer.shutdown(wait=False, cancel_futures=True)
            workers.shutdown(wait=False, cancel_futures=True)


class Scripts:
    """The scripts that run, so that they can be ended from outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self.ended = False

    def call(self, command: Sequence[str], cwd: Path, variables: dict[str, str], log: Path, seconds: float) -> str:
        """Run a command and return its standard output, which goes into the log behind its standard error.

        Raises StepFailed when it ends with another code than 0 or takes too long.
        """
        with log.open("ab") as log_stream:
            with self._lock:
                if self.ended:
                    raise StepFailed("was not started", "")
                process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log_stream,
                    start_new_session=True,
                )
                self._running.add(process.pid)
            why = ""
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                why = f"took longer than {seconds:.0f} seconds"
                _signal(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
            finally:
                with self._lock:
                    self._running.discard(process.pid)
            log_stream.write(output)
        if process.returncode != 0:
            raise StepFailed(why or f"ended with code {process.returncode}", output.decode(errors="replace"))
        return output.decode(errors="replace")

    def end_all(self) -> None:
        """End what runs, children included, and start nothing more."""
        with self._lock:
            self.ended = True
            running = list(self._running)
        for pid in running:
            _signal(pid, signal.SIGTERM)
        if running:
            timer = threading.Timer(_LAST_WORDS, self._kill)
            timer.daemon = True
            timer.start()

    def _kill(self) -> None:
        with self._lock:
            for pid in self._running:
                _signal(pid, signal.SIGKILL)


class StepFailed(Exception):
    """A script failed; `output` is what it printed until then."""

    def __init__(self, why: str, output: str) -> None:
        super().__init__(why)
        self.output = output


class _Work:
    def __init__(self, stack: str, service: Service, scripts: Scripts) -> None:
        self._stack = stack
        self._scripts = scripts
        self._directory = STACKS / stack
        self._build_directory = BUILDS / stack
        self._log = self._build_directory / "log"
        self._variables = _variables(service, stack, self._build_directory)
        self._turn = contextlib.ExitStack()

    def install(self) -> None:
        """Raises StepFailed."""
        self._build_directory.mkdir(exist_ok=True)
        # Another process may be at this stack: wait until it is done.
        self._turn.enter_context(_one_at_a_time(self._build_directory / "lock", self._scripts))
        self._log.write_bytes(b"")
        with _one_at_a_time(BUILDS / "install.lock", self._scripts):
            self._step("install")

    def build_and_run(self, installed: Future[None]) -> Outcome:
        """Wait for the install, then do the rest; a step that fails is a hole and the last one."""
        with self._turn:
            return self._build_and_run(installed)

    def _build_and_run(self, installed: Future[None]) -> Outcome:
        step, output, failures = "install", "", []
        try:
            installed.result()
            for step in ("build", "run"):
                output = self._step(step)
        except StepFailed as failure:
            output = failure.output if step == "run" else ""
            failures.append(Hole(step, str(failure)))
        verdict = checks.read(output)
        return Outcome(
            self._stack,
            Verdict(verdict.version, verdict.passed, (*failures, *verdict.holes)),
            self._log,
        )

    def _step(self, step: str) -> str:
        script = self._directory / step
        if step == "build" and not script.exists():
            return ""
        with self._log.open("a") as log:
            log.write(f"== {step} ==\n")
        variables = self._variables
        if step != "install":
            variables = {key: value for key, value in variables.items() if key not in _OTHER_TRUST}
        return self._scripts.call(["sh", str(script)], self._directory, variables, self._log, _TIMES[step])


def _variables(service: Service, stack: str, build_directory: Path) -> dict[str, str]:
    # A bare environment's worth: what this process was started with must not show in a stack.
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("CREATEVOUCHERS_", "CV_", "PYTHON")) and key != "VIRTUAL_ENV"
    }
    return kept | {
        **service.variables,
        "CV_STACK": stack,
        "CV_BUILD": str(build_directory),
        "CV_PYTHON": sys.executable,
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "localhost",
        "no_proxy": "localhost",
    }


@contextlib.contextmanager
def _one_at_a_time(file: Path, scripts: Scripts) -> Iterator[None]:
    """Hold the lock of this file, against other processes too; give up waiting when all scripts are ended."""
    with file.open("w") as lock:
        while not scripts.ended:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.2)
        yield


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
