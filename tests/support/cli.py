"""The command line for tests: called in this process, or as the process it really is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from soap_service.cli import app
from soap_service.store.engine import Store

PASSWORD = "correct horse"


class Cli:
    """`createvouchers` on a store and a data directory."""

    def __init__(self, data_dir: Path, store: Store | None = None, **settings: str) -> None:
        self.environment = {"CREATEVOUCHERS_DATA_DIR": str(data_dir)}
        if store is not None:
            self.environment["CREATEVOUCHERS_DATABASE_URL"] = store.url.render_as_string(hide_password=False)
        self.environment |= {f"CREATEVOUCHERS_{name.upper()}": value for name, value in settings.items()}

    def run(self, *arguments: str, stdin: str | bytes | None = None, code: int = 0) -> Any:
        """Call it in this process; the result has `stdout`, `stderr` and `exit_code`, which is checked."""
        result = CliRunner().invoke(app, arguments, input=stdin, env=self.environment)
        assert result.exit_code == code, (arguments, result.stdout, result.stderr, result.exception)
        return result

    def json(self, *arguments: str, stdin: str | bytes | None = None, code: int = 0) -> Any:
        """Call it with --json, and return what it printed."""
        return json.loads(self.run(*arguments, "--json", stdin=stdin, code=code).stdout)

    def error(self, *arguments: str, stdin: str | bytes | None = None, code: int = 1) -> str:
        """Call it to fail: one line on stderr, nothing on stdout. Returns the line without `error: `."""
        result = self.run(*arguments, stdin=stdin, code=code)
        lines = [line for line in result.stderr.splitlines() if not line.startswith("Try '")]
        assert result.stdout == ""
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: "), result.stderr
        return lines[0].removeprefix("error: ")

    def process(self, *arguments: str, **extra: str) -> subprocess.Popen[bytes]:
        """Start it as a process of its own, with pipes."""
        return subprocess.Popen(
            [sys.executable, "-c", "from soap_service.cli import main; main()", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.full_environment(extra),
        )

    def full_environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of such a process: this one's without its own settings."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CREATEVOUCHERS_")}
        return {
            **inherited,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **self.environment,
            **(extra or {}),
        }
