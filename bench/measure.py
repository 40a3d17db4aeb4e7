"""One run of one work: the load by wrk, the CPU by the operating system's accounting."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.environment import ROOT, Server, wrk
from bench.works import Work, WrongAnswer, charge_info, texts_of

SERVICE_PATH = "/createvouchers"
CONNECTIONS = 4

# Calls before the first run, each on a connection of its own, so that every worker has compiled its statements.
_WARMING = 30
# wrk stops with calls on their way; the servers finish them in this time.
_SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Run:
    """What one run gave: calls a second, latencies in ms, CPU in ms a call."""

    rate: float
    p50: float
    p99: float
    serving: float
    database: float

    @property
    def cpu(self) -> float:
        """CPU of the serving processes and of PostgreSQL."""
        return self.serving + self.database


def cpu_seconds(root: int | None) -> float:
    """User and system time of a process, its descendants, and those of them that have ended; 0 without one."""
    while root is not None:
        # One that ends while it is looked at has its time in its parent's account the next moment.
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(root)
            family = [process, *process.children(recursive=True)]
            times = [member.cpu_times() for member in family]
            return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))
    return 0.0


@dataclass(frozen=True)
class Stand:
    """A work set up for measuring: its server, the path to call, the requests in a file, one a line.

    `postmaster` is the process id of the PostgreSQL whose CPU counts, if one does.
    """

    work: Work
    server: Server
    path: str
    requests: Path
    postmaster: int | None

    def warm(self) -> bytes:
        """Call until everything is loaded; the last answer, checked. Raises WrongAnswer."""
        for n in range(_WARMING):
            answer = self.server.post(self.path, self.work.requests[n % len(self.work.requests)])
            self.work.check(answer)
        return answer

    def run(self, seconds: int) -> Run:
        """Put load on the server for some seconds.

        Raises WrongAnswer when a call failed, or when the service did not make the vouchers it answered.
        """
        issued = self._issued()
        serving, database = cpu_seconds(self.server.process.pid), cpu_seconds(self.postmaster)
        said = self._load(seconds)
        time.sleep(_SETTLE_SECONDS)
        serving = cpu_seconds(self.server.process.pid) - serving
        database = cpu_seconds(self.postmaster) - database
        # Every connection has one call on its way when wrk stops: served, but not counted by wrk.
        calls = said["requests"] + CONNECTIONS
        issued = self._issued() - issued
        least, most = said["requests"] * self.work.issues, calls * self.work.issues
        if self._counts and not least <= issued <= most:
            raise WrongAnswer(f"{self.work.key}: {issued} vouchers made, not {least} to {most}")
        return Run(
            rate=said["requests"] / said["microseconds"] * 1e6,
            p50=said["p50"] / 1e3,
            p99=said["p99"] / 1e3,
            serving=serving / calls * 1e3,
            database=database / calls * 1e3,
        )

    @property
    def _counts(self) -> bool:
        return bool(self.work.issues) and self.path == SERVICE_PATH

    def _issued(self) -> int:
        if not self._counts:
            return 0
        answer = self.server.post(SERVICE_PATH, charge_info(self.work.charge))
        return int("".join(texts_of(answer, "VoucherCount")))

    def _load(self, seconds: int) -> dict[str, int]:
        options = [f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s", "--timeout", "20s"]
        script = ["-s", str(ROOT / "bench" / "wrk.lua"), self.server.url(self.path), "--", str(self.requests)]
        done = subprocess.run([wrk(), *options, *script], capture_output=True, text=True, check=False)
        try:
            said: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise RuntimeError(f"wrk failed:\n{done.stdout}{done.stderr}") from None
        failed = {name: said[name] for name in ("refused", "broken", "late") if said[name]}
        if failed or not said["requests"]:
            raise WrongAnswer(f"{self.work.key} at {self.path}: {failed or said}\n{self.server.last_log()}")
        return said
