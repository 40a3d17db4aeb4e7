"""docs/cli.md and the command line say the same: every command, every option, every exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from soap_service.cli import app
from soap_service.cli.errors import ExitCode
from soap_service.domain.terms import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
EVERYWHERE = {"--json", "--help"}
ROOT_OPTIONS = {"--version", "--install-completion", "--show-completion", "--help"}


def _commands(group: Any, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        here = f"{path} {name}"
        found |= _commands(command, here) if hasattr(command, "commands") else {here: command}
    return found


COMMANDS = _commands(typer.main.get_command(app), "createvouchers")
SECTIONS = {
    match[1]: match[2]
    for match in re.finditer(r"^### `(createvouchers [^`]+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def _options(command: Any) -> set[str]:
    return {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


def _documented(section: str) -> set[str]:
    rows = [line for line in section.splitlines() if line.startswith("| `--")]
    return {option for row in rows for option in re.findall(r"`(--[a-z-]+)`", row.split("|")[1])}


def test_every_command_has_its_section_and_no_section_is_about_none() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_explained_and_no_other(name: str) -> None:
    assert _documented(SECTIONS[name]) == _options(COMMANDS[name]) - EVERYWHERE


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_json_and_a_help_for_each_option(name: str) -> None:
    assert "--json" in _options(COMMANDS[name])
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


def test_options_of_every_command_are_explained_once() -> None:
    general = PAGE[PAGE.index("## Options of every command") : PAGE.index("## Voucher data")]
    assert _documented(general) == EVERYWHERE
    root = typer.main.get_command(app)
    assert _options(root) - EVERYWHERE == ROOT_OPTIONS - EVERYWHERE
    assert all(f"`{option}`" in general for option in ROOT_OPTIONS)


def test_every_exit_code_is_explained_and_no_other() -> None:
    section = PAGE[PAGE.index("## Exit codes") : PAGE.index("## Options of every command")]
    assert {int(code) for code in re.findall(r"^\| `(\d+)` \|", section, re.MULTILINE)} == set(ExitCode)


def test_every_field_of_voucher_data_is_named() -> None:
    section = PAGE[PAGE.index("## Voucher data") : PAGE.index("## Service")]
    assert all(re.search(rf"\b{field.wire}\b", section) for field in FIELDS)


def test_there_are_no_password_arguments() -> None:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            takes_text = "password" in parameter.name and not getattr(parameter, "is_flag", False)
            assert not takes_text or parameter.name == "password_file", name
