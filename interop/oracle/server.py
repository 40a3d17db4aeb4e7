"""Builds and runs the gSOAP server of this directory."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_BUILD = ROOT / ".interop" / "oracle"


class OracleTrouble(RuntimeError):
    """The oracle could not be built, or did not start."""


def build() -> Path:
    """Install gSOAP when it is missing, build the server when it is older than its sources; return its path.

    Raises OracleTrouble with what the failed step printed.
    """
    _BUILD.mkdir(parents=True, exist_ok=True)
    wsdl = ROOT / "wsdl" / "createvouchers.wsdl"
    environment = os.environ | {"CV_BUILD": str(_BUILD), "CV_WSDL_FILE": str(wsdl), "LC_ALL": "C.UTF-8"}
    for script, directory in ("install", ROOT / "interop" / "stacks" / "gsoap"), ("build", _HERE):
        done = subprocess.run(
            ["sh", script],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OracleTrouble(f"{directory / script} failed\n{done.stdout}")
    return _BUILD / "server"


@contextlib.contextmanager
def running(program: Path) -> Iterator[int]:
    """Run the server; the block gets its port on 127.0.0.1. It must still run at the end: no request may end it.

    Raises OracleTrouble.
    """
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise OracleTrouble("the server did not start")
            yield int(line)
            if process.poll() is not None:
                raise OracleTrouble(f"the server ended with code {process.returncode}")
        finally:
            process.kill()
