"""`createvouchers doctor`: is everything as it should be?"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Annotated

import typer
from pydantic import ValidationError

from soap_service.cli.context import describe, open_store, read_settings, sqlite_file
from soap_service.cli.errors import ExitCode, UsageError, settings_problems
from soap_service.cli.output import AsJson, Output
from soap_service.cli.server_options import expected_certificate, warnings
from soap_service.operations import demo_data
from soap_service.operations.doctor import Check, Health, check_store
from soap_service.operations.house import House
from soap_service.operations.manage_shops import has_password
from soap_service.settings import Settings
from soap_service.store import migrations

FEW_DAYS = 21


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Do not count every voucher and code.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, database, migrations, durability, clock, certificate, and whether all counts are right."""
    output = Output(as_json)
    checks: list[Check] = []
    with output.progress("checking", None) as bar:
        for check in _checks(thorough=not quick):
            checks.append(check)
            bar.at(0, check.name)
    rows = [{"check": check.name, "result": check.health.value, "found": check.text} for check in checks]
    output.rows(("check", "result", "found"), rows, none="")
    if any(check.health is Health.PROBLEM for check in checks):
        raise typer.Exit(ExitCode.REFUSED)


def _checks(*, thorough: bool) -> Iterator[Check]:
    try:
        settings = read_settings()
    except ValidationError as error:
        for problem in settings_problems(error):
            yield Check("settings", Health.PROBLEM, problem)
        return
    yield Check("settings", Health.OK, f"database {describe(settings.store_url)}, port {settings.port}")
    store_checks = list(_store(settings, thorough=thorough))
    yield from store_checks
    yield from _certificate(settings)
    migrated = any(check.name == "migrations" and check.health is Health.OK for check in store_checks)
    for warning in warnings(settings, None, public_demo=migrated and _has_public_demo(settings)):
        yield Check("exposure", Health.WARNING, warning)


def _store(settings: Settings, *, thorough: bool) -> Iterator[Check]:
    try:
        with open_store(settings) as store:
            file = sqlite_file(store)
            if file is not None and not file.exists():
                yield Check("database", Health.PROBLEM, f"there is no {file}: run `{migrations.COMMAND}`")
            else:
                yield from check_store(House(store), thorough=thorough)
    except UsageError as error:
        yield Check("settings", Health.PROBLEM, str(error))


def _has_public_demo(settings: Settings) -> bool:
    with open_store(settings) as store:
        return has_password(House(store), demo_data.SHOP, demo_data.PASSWORD)


def _certificate(settings: Settings) -> Iterator[Check]:
    from soap_service.server.tls import certificate_facts, make_context

    pair = expected_certificate(settings)
    if pair is None:
        yield Check("certificate", Health.OK, "none needed: a proxy speaks TLS")
        return
    try:
        if pair.generated and not pair.certfile.exists():
            yield Check("certificate", Health.WARNING, "none configured: `serve` will make a self-signed one")
            return
        make_context(pair.certfile, pair.keyfile)
        facts = certificate_facts(pair.certfile)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        yield Check("certificate", Health.PROBLEM, f"{pair.certfile} with its key cannot be used: {said}")
        return
    said = f"{pair.certfile} for {', '.join(facts.names) or facts.subject}, {facts.days_left} days left"
    if facts.days_left < 0:
        yield Check("certificate", Health.PROBLEM, f"{pair.certfile} has expired")
    elif facts.days_left < FEW_DAYS:
        yield Check("certificate", Health.WARNING, said)
    elif facts.self_signed:
        yield Check("certificate", Health.WARNING, f"self-signed: {said}")
    else:
        yield Check("certificate", Health.OK, said)
    keyfile = pair.keyfile or pair.certfile
    if keyfile.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP:
        yield Check("private key", Health.WARNING, f"{keyfile} can be read by everybody: chmod 600")
