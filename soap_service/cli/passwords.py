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
    return check_password(_password(file, stdin, "New password", twice=True))


def known_password(file: Path | None, stdin: bool) -> str:
    """A password that exists already, asked for once on a terminal. Raises UsageError."""
    return _password(file, stdin, "Password", twice=False)


def _password(file: Path | None, stdin: bool, prompt: str, *, twice: bool) -> str:
    if file is not None and stdin:
        raise UsageError("--password-file or --password-stdin: expected only one")
    if file is not None:
        return _first_line(file.read_bytes(), f"--password-file {file}")
    if stdin:
        return _first_line(sys.stdin.buffer.readline(_LONGEST_LINE), "--password-stdin")
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for the password: expected --password-file or --password-stdin")
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))


def _first_line(data: bytes, source: str) -> str:
    lines = data[:_LONGEST_LINE].splitlines()
    try:
        return lines[0].decode() if lines else ""
    except UnicodeDecodeError:
        raise UsageError(f"{source}: expected UTF-8") from None
