"""The service that the stacks talk to: the real one, over TLS, on a SQLite store of its own.

`python -m interop.service STACK…` starts it with the data for these stacks, prints the variables of
interop/README.md as shell lines, and serves until Ctrl-C: for writing a program, or finding out why one fails.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import trustme

from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.store import migrations, shops
from soap_service.store.engine import Store
from tests.support.factories import add_charge, add_pool, create
from tests.support.postgres_host import free_port

ROOT = Path(__file__).parents[1]
PASSWORD = "geheim"

_START_SECONDS = 30.0
_STOP_SECONDS = 40.0  # calls that are running get thirty


class ServiceTrouble(RuntimeError):
    """The service did not start, did not stop, or wrote into its log what it must not write."""


@dataclass(frozen=True)
class Service:
    """A running service and what its clients need; the files are gone when it is."""

    url: str
    wsdl_file: Path
    ca_file: Path
    log_file: Path

    @property
    def variables(self) -> dict[str, str]:
        """The variables of interop/README.md that are the same for every stack."""
        return {
            "CV_URL": self.url,
            "CV_WSDL": f"{self.url}?wsdl",
            "CV_WSDL_FILE": str(self.wsdl_file),
            "CV_CA": str(self.ca_file),
        }


@contextlib.contextmanager
def running_service(stacks: Sequence[str]) -> Iterator[Service]:
    """Start the service with fresh data for these stacks, wait until it answers, and stop it at the end.

    Raises ServiceTrouble when it does not start, does not stop with exit code 0, or has a traceback or a
    password in its log.
    """
    with tempfile.TemporaryDirectory(prefix="interop-") as name:
        directory = Path(name)
        fill(f"sqlite:///{directory / 'createvouchers.db'}", stacks)
        service = _new_service(directory)
        with _serving(directory, service):
            yield service


def stop_on_signals() -> None:
    """Make SIGTERM and SIGHUP end this process as an exception does, so that the service is stopped, too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))


def fill(database_url: str, stacks: Sequence[str]) -> None:
    """Make the data of interop/README.md on an empty store."""
    store = Store(database_url)
    try:
        migrations.upgrade(store)
        _fill(House(store), stacks)
    finally:
        store.close()


def _fill(house: House, stacks: Sequence[str]) -> None:
    settings = {
        "name": "TestShop",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "subshops": ("B2c", "B2B", "Köln €"),
        "vat_ids": (1, 2),
    }
    with house.store.write() as transaction:
        shops.add(transaction, settings, house.passwords.hash(PASSWORD), house.clock())
        record = shops.find(transaction, "TestShop")
    assert record is not None, "added just now"
    shop = record.shop
    template = Terms(
        currency="EUR",
        amount=Decimal("10.00"),
        min_order_value=Decimal("50.00"),
        subshops=("B2c", "B2B"),
    )
    add_charge(house, shop, "Vorlage", template)
    add_charge(house, shop, "Frühling €", Terms(currency="EUR", amount=Decimal("7.50"), subshops=("Köln €",)))
    add_charge(house, shop, "OhneVorlage")
    add_charge(house, shop, "Seiten", Terms(currency="EUR", amount=Decimal("10.00")))
    for count in (1000, 1000, 500):
        create(house, shop, ChargeId="Seiten", VoucherCount=count)
    for stack in stacks:
        add_charge(house, shop, f"Pool-{stack}")
        stock = Terms(currency="EUR", amount=Decimal("15.00"))
        add_pool(house, shop, f"Pool-{stack}", [f"{stack}-{number}" for number in (1, 2, 3)], stock)


def _new_service(directory: Path) -> Service:
    # RSA and a common name: what the older stacks know, and what most certificates still have.
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate = authority.issue_cert("localhost", common_name="localhost", key_type=trustme.KeyType.RSA)
    certificate.private_key_and_cert_chain_pem.write_to_path(directory / "localhost.pem")
    return Service(
        url=f"https://localhost:{free_port()}/createvouchers",
        wsdl_file=directory / "createvouchers.wsdl",
        ca_file=directory / "ca.pem",
        log_file=directory / "log",
    )


@contextlib.contextmanager
def _serving(directory: Path, service: Service) -> Iterator[None]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CREATEVOUCHERS_")}
    environment |= {
        "CREATEVOUCHERS_PORT": service.url.rpartition(":")[2].partition("/")[0],
        "CREATEVOUCHERS_DATA_DIR": str(directory),
        "CREATEVOUCHERS_TLS_CERT": str(directory / "localhost.pem"),
        "CREATEVOUCHERS_WORKERS": "2",
    }
    with service.log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "interop.serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us, who stop it when its clients are done
        )
    try:
        service.wsdl_file.write_bytes(_wait_for_wsdl(service, process))
        yield
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:
        if ended := process.poll() is not None:
            code = process.returncode
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not ended:
        raise ServiceTrouble(f"the service did not stop\n{_last_log(service)}")
    log_text = service.log_file.read_text(errors="replace")
    if code != 0 or "Traceback" in log_text or PASSWORD in log_text:
        raise ServiceTrouble(f"the service ended with code {code}\n{_last_log(service)}")


def _wait_for_wsdl(service: Service, process: subprocess.Popen[bytes]) -> bytes:
    context = ssl.create_default_context(cafile=str(service.ca_file))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), opener.open(f"{service.url}?wsdl", timeout=5) as answer:
            wsdl: bytes = answer.read()
            return wsdl
        time.sleep(0.05)
    raise ServiceTrouble(f"the service did not start\n{_last_log(service)}")


def _last_log(service: Service) -> str:
    return "\n".join(service.log_file.read_text(errors="replace").splitlines()[-30:])


def main() -> None:
    """Serve for the stacks of the command line until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m interop.service", description=__doc__)
    parser.add_argument("stacks", nargs="+", metavar="STACK")
    stacks = parser.parse_args().stacks
    stop_on_signals()
    with running_service(stacks) as service, contextlib.suppress(KeyboardInterrupt):
        for name, value in (service.variables | {"CV_STACK": stacks[0]}).items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
