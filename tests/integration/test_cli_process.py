"""The command line as the process it is: pipes, terminals, signals, and the server it starts."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from soap_service.cli.errors import ExitCode
from soap_service.operations.demo_data import make_demo
from soap_service.operations.house import House
from soap_service.operations.manage_shops import has_password
from soap_service.store.engine import Store
from tests.support.cli import PASSWORD, Cli
from tests.support.factories import create

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def cli(sqlite_store: Store, tmp_path: Path) -> Cli:
    """With the demo shop."""
    make_demo(House(sqlite_store))
    return Cli(tmp_path, sqlite_store)


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> tuple[int, str, str]:
    out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out.decode(), err.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_script_with_exit_codes_and_json(cli: Cli, tmp_path: Path) -> None:
    added = finish(
        cli.process("shop", "add", "S", "--subshop", "de", "--password-stdin", "--json"), PASSWORD.encode() + b"\n"
    )
    assert (added[0], added[2]) == (0, "")
    assert json.loads(added[1])["subshops"] == ["de"]
    assert finish(cli.process("shop", "show", "T"))[::2] == (1, "error: there is no shop T\n")
    assert finish(cli.process("shop", "show"))[0] == ExitCode.USAGE
    away = finish(cli.process("shop", "list", CREATEVOUCHERS_DATABASE_URL="postgresql://u:p@127.0.0.1:9/d"))
    assert away[0] == ExitCode.STORE_UNAVAILABLE
    nothing = finish(
        cli.process("shop", "list", CREATEVOUCHERS_DATABASE_URL=f"sqlite:///{tmp_path / 'none.db'}", LC_ALL="C")
    )
    assert nothing[0] == ExitCode.NOT_MIGRATED


def test_a_reader_that_has_seen_enough(cli: Cli, sqlite_store: Store) -> None:
    house = House(sqlite_store)
    shop = make_demo(house)
    for _ in range(3):
        create(house, shop, ChargeId="TestCharge", VoucherCount=1000)
    process = cli.process("voucher", "export", "TestShop", "TestCharge")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"Number,")
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == b""


def test_an_interrupted_import_leaves_nothing(cli: Cli) -> None:
    process = cli.process("pool", "import", "TestShop", "PoolCharge", "-")
    assert process.stdin is not None
    process.stdin.write(b"Number;Amount\n" + b"".join(b"X-%d;1\n" % number for number in range(50_000)))
    process.stdin.flush()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    process.stdin = None
    code, _, err = finish(process)
    assert code == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    assert cli.json("pool", "info", "TestShop", "PoolCharge")["available"] == 25


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, cli: Cli, *arguments: str) -> None:
        command = [sys.executable, "-c", "from soap_service.cli import main; main()", *arguments]
        environment = cli.full_environment()
        self.pid, self._file = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child
            os.execve(command[0], command, environment)
        self.seen = ""
        self._answered = 0

    def expect(self, words: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.seen[self._answered :]:
            assert select.select([self._file], [], [], max(0, deadline - time.monotonic()))[0], self.seen
            self.seen += os.read(self._file, 4096).decode(errors="replace")

    def type(self, line: str) -> None:
        self._answered = len(self.seen)
        os.write(self._file, line.encode() + b"\n")

    def end(self) -> int:
        with contextlib.suppress(OSError):
            while data := os.read(self._file, 4096):
                self.seen += data.decode(errors="replace")
        os.close(self._file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_password_is_asked_for_twice_and_not_shown(cli: Cli, sqlite_store: Store) -> None:
    terminal = Terminal(cli, "shop", "password", "TestShop")
    terminal.expect("New password: ")  # the blank comes when the echo is off
    terminal.type(PASSWORD)
    terminal.expect("Repeat for confirmation: ")
    terminal.type("another one")
    terminal.expect("do not match")
    terminal.expect("New password: ")
    terminal.type(PASSWORD)
    terminal.expect("Repeat for confirmation: ")
    terminal.type(PASSWORD)
    assert terminal.end() == 0
    assert PASSWORD not in terminal.seen
    assert has_password(House(sqlite_store), "TestShop", PASSWORD)


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 4), ("n", 1, 5)])
def test_deleting_asks(cli: Cli, answer: str, code: int, left: int) -> None:
    terminal = Terminal(cli, "charge", "delete", "TestShop", "PoolCharge")
    terminal.expect("charge PoolCharge has 0 vouchers, and 25 codes in its pool")
    terminal.expect("Delete PoolCharge?")
    terminal.type(answer)
    assert terminal.end() == code
    assert len(cli.json("charge", "list", "TestShop")) == left


def test_a_progress_bar_is_for_terminals_only(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "codes"
    file.write_text("".join(f"N-{number}\n" for number in range(60_000)))
    arguments = ("pool", "import", "TestShop", "TestCharge", str(file), "--dry-run")
    terminal = Terminal(cli, *arguments)
    assert terminal.end() == 0
    assert "reading" in terminal.seen
    assert "lines" in terminal.seen
    code, out, err = finish(cli.process(*arguments))
    assert (code, err) == (0, "")
    assert out.startswith("dry run: 60000 codes")


@contextlib.contextmanager
def serving(cli: Cli, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """The server, when it listens; its process, its port, and what it prints."""
    port = free_port()
    directory = Path(cli.environment["CREATEVOUCHERS_DATA_DIR"])
    out, err = directory / "serve.out", directory / "serve.err"
    settings |= {"port": str(port), "workers": "1"}
    variables = {f"CREATEVOUCHERS_{name.upper()}": value for name, value in settings.items()}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", "from soap_service.cli import main; main()", "serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=cli.full_environment(
                {"CREATEVOUCHERS_PORT": str(port), "CREATEVOUCHERS_WORKERS": "1", **variables}
            ),
        )
    try:
        deadline = time.monotonic() + 40
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < deadline, err.read_text()
            time.sleep(0.05)
        yield process, port, directory
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.skipif(not shutil.which("curl"), reason="the printed call is one of curl")
def test_the_server_and_the_first_call_it_prints(cli: Cli, tmp_path: Path) -> None:
    with serving(cli) as (process, port, directory):
        printed = (directory / "serve.out").read_text()
        assert f"Service: https://localhost:{port}/createvouchers\n" in printed
        assert f"WSDL:    https://localhost:{port}/createvouchers?wsdl\n" in printed
        call = printed[printed.index("curl") :]
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        answer = subprocess.run(
            ["/bin/sh", "-c", call], cwd=elsewhere, capture_output=True, text=True, timeout=30, check=True
        )
        numbers = re.findall(r"<VoucherNumber>([^<]+)</VoucherNumber>", answer.stdout)
        assert len(numbers) == 2
        assert cli.json("voucher", "show", "TestShop", numbers[0])["charge"] == "TestCharge"
        # A second one at the same port ends at once and says why; a new password ends the offer of a call.
        second = cli.process("serve", CREATEVOUCHERS_PORT=str(port))
        code, _, err = finish(second)
        assert code == ExitCode.USAGE
        assert err.startswith(f"error: cannot listen on 127.0.0.1 port {port}: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "WARNING: self-signed certificate" in (directory / "serve.err").read_text()


def test_the_server_in_the_clear_with_json(cli: Cli) -> None:
    cli.run("shop", "password", "TestShop", "--password-stdin", stdin=PASSWORD)
    with serving(cli, "--json", tls="false", require_tls="false") as (_, port, directory):
        started = json.loads((directory / "serve.out").read_text())
        assert started["url"] == f"http://localhost:{port}/createvouchers"
        assert started["wsdl"] == f"http://localhost:{port}/createvouchers?wsdl"
        assert started["first_call"] is None, "the password is the demo's no more"
        assert any("For development only!" in warning for warning in started["warnings"])
        with urllib.request.urlopen(started["wsdl"], timeout=30) as answer:
            assert f'location="{started["url"]}"' in answer.read().decode()
        assert "For development only!" in (directory / "serve.err").read_text()


def test_a_certificate_that_cannot_be_used(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    code, out, err = finish(
        cli.process("serve", CREATEVOUCHERS_TLS_CERT=str(bad), CREATEVOUCHERS_PORT=str(free_port()))
    )
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith(f"error: the certificate {bad} cannot be used: ")
    assert len(err.splitlines()) == 1
