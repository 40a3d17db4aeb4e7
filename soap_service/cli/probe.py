"""`createvouchers probe`: a client's view of a service, from certificate to voucher."""

from __future__ import annotations

import importlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import typer

from soap_service.cli.errors import ExitCode, UsageError
from soap_service.cli.output import AsJson, Output
from soap_service.cli.passwords import PasswordFile, PasswordStdin, known_password
from soap_service.operations.doctor import Check, Health

OPERATIONS = (
    "CreateVouchers",
    "GetVoucherCharges",
    "GetVoucherCodes",
    "GetVoucherPoolInfo",
    "GetVoucherChargeInfo",
)
FEW_DAYS = 21
CONNECT_SECONDS = 10
ANSWER_SECONDS = 30


def probe(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://host:port/createvouchers")],
    shop: Annotated[str, typer.Option("--shop", metavar="SHOP", help="The ShopID to call as.")],
    charge: Annotated[
        str | None,
        typer.Option("--charge", metavar="CHARGE", help="The ChargeId to look at; default: the first template."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", metavar="FILE", exists=True, dir_okay=False, help="Trust this CA or certificate (PEM) too."
        ),
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Really create one voucher.")] = False,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Call a service as a till would: certificate, WSDL, login, one call of each kind.

    Changes nothing, and says what it would create; with --create it creates one voucher.
    """
    target = _target(url)
    password = known_password(password_file, password_stdin)
    run = _Probe(url, target, ca, {"ShopID": shop, "Password": password}, charge, create)
    output = Output(as_json)
    checks: list[Check] = []
    with output.progress("probing", None) as bar:
        for check in run.checks():
            checks.append(check)
            bar.at(0, check.name)
    rows = [{"check": check.name, "result": check.health.value, "found": check.text} for check in checks]
    output.rows(("check", "result", "found"), rows, none="")
    if any(check.health is Health.PROBLEM for check in checks):
        raise typer.Exit(ExitCode.REFUSED)


def _target(url: str) -> SplitResult:
    target = urlsplit(url)
    try:
        target.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        raise UsageError(f"{url}: expected a port from 1 to 65535") from None
    if target.scheme not in ("https", "http") or not target.hostname:
        raise UsageError(f"{url}: expected an address such as https://localhost:8443/createvouchers")
    return target


@dataclass
class _Probe:
    url: str
    target: SplitResult
    ca: Path | None
    caller: dict[str, str]
    charge: str | None
    create: bool

    def checks(self) -> Iterator[Check]:
        """One verdict after the other; those that need a failed one are left out."""
        connection = self._connection()
        yield connection
        if connection.health is Health.PROBLEM:
            return
        client, wsdl = self._wsdl()
        yield wsdl
        if client is None:
            return
        charges, login = self._login(client)
        yield login
        if charges is None:
            return
        ordinary = [charge for charge in charges if charge.Currency is not None and not charge.SubscribeSubshopID]
        name = self.charge or next((charge.ChargeId for charge in [*ordinary, *charges]), None)
        if name is None:
            yield Check("charge", Health.WARNING, f"shop {self.caller['ShopID']} has no charge to look at")
            return
        yield from self._looks(client, name)
        yield self._creation(client, name)

    def _connection(self) -> Check:
        name = "certificate"
        if self.target.scheme == "http":
            return Check(name, Health.PROBLEM, "a plain address: the service answers ES007, use https")
        host, port = self.target.hostname or "", self.target.port or 443
        try:
            with (
                socket.create_connection((host, port), timeout=CONNECT_SECONDS) as raw,
                self._trust().wrap_socket(raw, server_hostname=host) as connection,
            ):
                facts: dict[str, Any] = connection.getpeercert() or {}
                version = connection.version()
        except ssl.SSLCertVerificationError as error:
            advice = "" if self.ca else "; a private CA is named by --ca"
            return Check(name, Health.PROBLEM, f"not trusted: {error.verify_message}{advice}")
        except OSError as error:
            return Check(name, Health.PROBLEM, f"no connection to {host} port {port}: {error.strerror or error}")
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(facts["notAfter"]), UTC)
        days = (ends - datetime.now(UTC)).days
        health = Health.WARNING if days < FEW_DAYS else Health.OK
        return Check(name, health, f"{version}, trusted for {host}, {days} days left")

    def _trust(self) -> ssl.SSLContext:
        """The machine's trusted CAs, and the one given."""
        context = ssl.create_default_context()
        if self.ca is not None:
            context.load_verify_locations(self.ca)
        return context

    def _wsdl(self) -> tuple[Any, Check]:
        # Only now: zeep costs every other command a third of a second.
        import requests
        from requests.adapters import HTTPAdapter

        zeep: Any = importlib.import_module("zeep")
        trust = self._trust()

        class SameTrust(HTTPAdapter):
            def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
                super().init_poolmanager(*arguments, **{**options, "ssl_context": trust})

        session = requests.Session()
        session.mount("https://", SameTrust())
        transport = zeep.Transport(session=session, timeout=CONNECT_SECONDS, operation_timeout=ANSWER_SECONDS)
        try:
            client = zeep.Client(f"{self.url}?wsdl", transport=transport)
        except Exception as error:  # whatever an address serves that is no WSDL
            return None, Check("WSDL", Health.PROBLEM, f"{self.url}?wsdl cannot be read: {_short(error)}")
        missing = [name for name in OPERATIONS if name not in dir(client.service)]
        if missing:
            return None, Check("WSDL", Health.PROBLEM, f"without {', '.join(missing)}")
        address = client.service._binding_options["address"]
        if address != self.url:
            return client, Check("WSDL", Health.WARNING, f"names another address, {address}: see PUBLIC_URL")
        return client, Check("WSDL", Health.OK, f"{len(OPERATIONS)} operations at {address}")

    def _login(self, client: Any) -> tuple[list[Any] | None, Check]:
        answer, refusal = self._ask(client, "GetVoucherCharges", ChargeType="all")
        if answer is None:
            return None, Check("login", Health.PROBLEM, refusal)
        charges = _listed(answer.ChargeList, "ChargeData")
        return charges, Check("login", Health.OK, f"shop {self.caller['ShopID']}, {len(charges)} charges")

    def _looks(self, client: Any, charge: str) -> Iterator[Check]:
        info, refusal = self._ask(client, "GetVoucherChargeInfo", ChargeId=charge)
        said = f"{charge}: {info.VoucherCount} vouchers, template: {_yes(info.HasTemplate)}" if info else refusal
        yield Check("charge info", Health.OK if info else Health.PROBLEM, said)
        stock, refusal = self._ask(client, "GetVoucherPoolInfo", ChargeId=charge)
        said = f"{charge}: {stock.VoucherCount} codes in the pool" if stock else refusal
        yield Check("pool info", Health.OK if stock else Health.PROBLEM, said)
        page, refusal = self._ask(client, "GetVoucherCodes", ChargeId=charge, PageSize=1)
        said = f"{charge}: {len(_listed(page.VoucherList, 'VoucherData'))} on a page of 1" if page else refusal
        yield Check("codes", Health.OK if page else Health.PROBLEM, said)

    def _creation(self, client: Any, charge: str) -> Check:
        info, refusal = self._ask(client, "GetVoucherChargeInfo", ChargeId=charge)
        if info is None:
            return Check("create", Health.PROBLEM, refusal)
        if not info.HasTemplate:
            return Check("create", Health.WARNING, f"{charge} has no template: nothing would be created (ES020)")
        if not self.create:
            return Check("create", Health.OK, f"would create one voucher from {charge}; --create does it")
        made, refusal = self._ask(client, "CreateVouchers", ChargeId=charge, VoucherCount=1)
        if made is None:
            return Check("create", Health.PROBLEM, refusal)
        worth = made.AmountMultiCurrency or f"{made.Amount} {'%' if made.AmountType else made.Currency}"
        return Check("create", Health.OK, f"created {made.VoucherNumbers.VoucherNumber[0]} from {charge}: {worth}")

    def _ask(self, client: Any, operation: str, **fields: Any) -> tuple[Any, str]:
        """The answer, or None and why there is none."""
        import requests
        import zeep.exceptions

        try:
            return client.service[operation](request={**self.caller, **fields}), ""
        except zeep.exceptions.Fault as fault:
            return None, str(fault.message)
        except (requests.RequestException, zeep.exceptions.Error) as error:
            return None, f"{operation}: {_short(error)}"


def _listed(container: Any, member: str) -> list[Any]:
    # zeep reads an empty list element as None.
    return list(getattr(container, member, None) or ())


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _yes(value: bool) -> str:
    return "yes" if value else "no"
