"""From the environment to a house that works, and the options that many commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from soap_service.cli.errors import UsageError
from soap_service.domain.shops import Shop
from soap_service.domain.terms import BY_WIRE
from soap_service.operations.house import House
from soap_service.operations.manage_shops import get_shop
from soap_service.settings import Settings
from soap_service.store import migrations
from soap_service.store.engine import Store

ShopArgument = Annotated[str, typer.Argument(metavar="SHOP", help="The ShopID.")]
ChargeArgument = Annotated[str, typer.Argument(metavar="CHARGE", help="The ChargeId.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="A field of the voucher data by its name on the wire, such as Amount=10.00; may be repeated.",
    ),
]


def read_settings() -> Settings:
    """The settings of the environment. Raises ValidationError."""
    return Settings.model_validate({})


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store of the settings. Raises UsageError when its URL is none."""
    try:
        store = Store(settings.store_url)
    except (ArgumentError, ValueError, ImportError):
        raise UsageError(
            "CREATEVOUCHERS_DATABASE_URL: expected an SQLAlchemy URL of SQLite or PostgreSQL such as "
            "postgresql://user:password@host/database"
        ) from None
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_house(settings: Settings | None = None) -> Iterator[House]:
    """The house of the settings, on a store that is migrated.

    Raises NotMigrated or StoreUnavailable. Makes nothing: SQLite would answer to any name with a new file.
    """
    settings = settings or read_settings()
    with open_store(settings) as store:
        file = sqlite_file(store)
        if file is not None and not file.exists():
            raise migrations.NotMigrated(f"there is no database {file} yet: run `{migrations.COMMAND}`")
        migrations.require_current(store)
        yield House(store)


@contextmanager
def open_shop(name: str) -> Iterator[tuple[House, Shop]]:
    """The house and the shop with this ShopID; Refused when there is none."""
    with open_house() as house:
        yield house, get_shop(house, name)


def make_directory(store: Store) -> None:
    """Make the directory of an SQLite store: for its owner only, since codes are money."""
    file = sqlite_file(store)
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def sqlite_file(store: Store) -> Path | None:
    """The file of an SQLite store; None for another database, or one in memory."""
    if store.is_postgresql or store.url.database in (None, "", ":memory:"):
        return None
    return Path(store.url.database or "").absolute()


def describe(url_text: str) -> str:
    """Which database a URL means, without user, password or options."""
    try:
        url = make_url(url_text)
    except ArgumentError:
        return "unreadable"
    if url.get_backend_name() == "sqlite":
        return f"SQLite {url.database or 'in memory'}"
    where = f"{url.host or 'local'}:{url.port}" if url.port else url.host or "local"
    return f"PostgreSQL {where}/{url.database or ''}"


def read_fields(pairs: Sequence[str] | None) -> dict[str, str]:
    """The texts of `--set FIELD=VALUE`, by wire name. Raises UsageError for anything else."""
    texts: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {name}: expected FIELD=VALUE")
        if name not in BY_WIRE:
            raise UsageError(f"--set {name}: expected one of {', '.join(BY_WIRE)}")
        if name in texts:
            raise UsageError(f"--set {name}: expected once")
        texts[name] = value
    return texts
