"""Passwords: asked for on the terminal, or read from a file or from stdin; never an argument."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from soap_service.cli.errors import UsageError
from soap_service.operations.manage_shops import check_password

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="Read the password from the first line of a file.",
    ),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")
]

_LONGEST_LINE = 4096


def new_password(file: Path | None, stdin: bool) -> str:
    """The new password, asked for twice on a terminal. Raises UsageError, or Refused for the password."""
    if file is not None and stdin:
        raise UsageError("--password-file or --password-stdin: expected only one")
    if file is not None:
        return check_password(_first_line(file.read_bytes(), f"--password-file {file}"))
    if stdin:
        return check_password(_first_line(sys.stdin.buffer.readline(_LONGEST_LINE), "--password-stdin"))
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for the password: expected --password-file or --password-stdin")
    return check_password(str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)))


def _first_line(data: bytes, source: str) -> str:
    lines = data[:_LONGEST_LINE].splitlines()
    try:
        return lines[0].decode() if lines else ""
    except UnicodeDecodeError:
        raise UsageError(f"{source}: expected UTF-8") from None
