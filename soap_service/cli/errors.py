"""How the command line says no: one line on stderr and an exit code that scripts can use.

The codes are documented in docs/cli.md, "Exit codes".
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from typer import Abort
from typer.core import TyperGroup
from typer.exceptions import TyperException

from soap_service.domain.faults import VoucherFault
from soap_service.operations.import_pool import explain
from soap_service.operations.refusal import Refused
from soap_service.store.engine import StoreUnavailable
from soap_service.store.migrations import NotMigrated


class ExitCode(IntEnum):
    """What a script learns from a run."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    STORE_UNAVAILABLE = 3
    NOT_MIGRATED = 4
    INTERNAL = 70
    INTERRUPTED = 130


class UsageError(Exception):
    """The command was called in a way, or in an environment, in which it cannot work."""


def visible(text: str) -> str:
    """The text with characters that a terminal would obey made harmless."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"error: {visible(message)}", file=sys.stderr)


class PoliteGroup(TyperGroup):
    """The root of all commands: it turns whatever a command raises into a line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """As the base class, but every end is a SystemExit with a documented code."""
        extra["standalone_mode"] = False
        sys.exit(int(polite(lambda: super(PoliteGroup, self).main(*args, **extra))))


def polite(work: Callable[[], object]) -> int:
    """The exit code of the work, its failure explained on stderr."""
    try:
        result = work()
        sys.stdout.flush()
        return result if isinstance(result, int) else ExitCode.OK
    except (Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except TyperException as error:
        return _usage(error)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader, such as `head`, has seen enough
            _stop_writing()
            return ExitCode.REFUSED
        return _explained(error)
    except Exception as error:
        return _explained(error)


def _usage(error: TyperException) -> int:
    if type(error).__name__ != "NoArgsIsHelpError":  # which has printed the help, the best answer
        complain(" ".join(error.format_message().split()))
        context = getattr(error, "ctx", None)
        if context is not None:
            print(f"Try '{context.command_path} --help' for help.", file=sys.stderr)
    return error.exit_code


def _explained(error: Exception) -> int:
    known: list[tuple[type[Exception], ExitCode, Callable[[Any], str]]] = [
        (Refused, ExitCode.REFUSED, str),
        (VoucherFault, ExitCode.REFUSED, _fault),
        (UsageError, ExitCode.USAGE, str),
        (ValidationError, ExitCode.USAGE, _settings),
        (NotMigrated, ExitCode.NOT_MIGRATED, str),
        (StoreUnavailable, ExitCode.STORE_UNAVAILABLE, _unavailable),
        (SQLAlchemyError, ExitCode.STORE_UNAVAILABLE, _database),
        (OSError, ExitCode.REFUSED, _file),
    ]
    for kind, code, say in known:
        if isinstance(error, kind):
            complain(say(error))
            return code
    if os.environ.get("CREATEVOUCHERS_LOG_LEVEL") == "debug":
        raise error
    complain(f"internal error, a bug: {type(error).__name__}; with CREATEVOUCHERS_LOG_LEVEL=debug it tells where")
    return ExitCode.INTERNAL


def _fault(fault: VoucherFault) -> str:
    return f"{fault.text}: {explain(fault)}" if fault.has_detail else fault.text


def settings_problems(error: ValidationError) -> list[str]:
    """What is wrong with each environment variable; never what it contains."""
    return [
        f"CREATEVOUCHERS_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_context=False, include_url=False)
    ]


def _settings(error: ValidationError) -> str:
    return "; ".join(settings_problems(error))


def _unavailable(error: StoreUnavailable) -> str:
    return (
        f"the database does not answer ({error}); which one: CREATEVOUCHERS_DATABASE_URL, CREATEVOUCHERS_DATA_DIR"
    )


def _database(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).splitlines()  # the first says what happened, later ones may hold data
    return f"the database refused: {lines[0] if lines else type(cause).__name__}"


def _file(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or type(error).__name__}"


def _stop_writing() -> None:
    # What is still buffered would fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
