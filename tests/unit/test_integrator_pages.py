"""The integrators' pages: every stack has one, its code is the program's, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interop import pages
from interop.checks import CHECKS
from interop.pages import PAGES, ROOT, Include, PageFault, filled, includes, source

STACKS = sorted(path for path in (ROOT / "interop" / "stacks").iterdir() if path.is_dir())
SECTIONS = (
    "Install",
    "Generate",
    "First call",
    "Trusting the certificate",
    "Reading faults",
    "Safe retries",
    "Quirks",
    "The whole day",
)

every_stack = pytest.mark.parametrize("stack", STACKS, ids=lambda path: path.name)
every_page = pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)


def without_code(text: str) -> str:
    return re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


@every_page
def test_included_code_is_what_its_file_says(page: Path) -> None:
    text = page.read_text()
    assert text == filled(text), "python -m interop.pages writes it anew"


@every_stack
def test_a_stack_has_its_scripts_and_one_program(stack: Path) -> None:
    files = {path.name for path in stack.iterdir()}
    assert {"install", "run"} <= files
    assert len([name for name in files if name.startswith("day.")]) == 1


@every_stack
def test_a_page_has_the_first_call_and_the_whole_program(stack: Path) -> None:
    (program,) = stack.glob("day.*")
    found = includes((PAGES / f"{stack.name}.md").read_text())
    path = str(program.relative_to(ROOT))
    assert Include(path, "first-call") in found
    assert Include(path, "") in found


@every_stack
def test_a_page_has_its_sections(stack: Path) -> None:
    text = without_code((PAGES / f"{stack.name}.md").read_text())
    assert sorted(re.findall("^## (.+)$", text, re.MULTILINE)) == sorted(SECTIONS)


def test_every_page_belongs_to_a_stack_and_the_index_leads_to_it() -> None:
    names = [page.stem for page in pages.pages()]
    assert names == [stack.name for stack in STACKS]
    table = (PAGES / "README.md").read_text().partition("## What works")[0]
    assert sorted(re.findall(r"\]\(([\w-]+)\.md\)", table)) == names


@every_page
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", without_code(page.read_text()))
    assert [link for link in links if not (page.parent / link).resolve().exists()] == []


def test_no_stack_turns_verification_off() -> None:
    off = re.compile(
        r"CERT_NONE|verify\s*=\s*False|--insecure|curl -k|verify_peer'\s*=>\s*false|rejectUnauthorized:\s*false"
        r"|SSL_VERIFY_NONE|VERIFY_NONE|SSL_NO_AUTHENTICATION|VerifyNone|ignoreSslErrors|-require\s+(?:0|false)"
        r"|verify_hostname\s*=>\s*0"
    )
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for stack in STACKS
        for path in stack.iterdir()
        if path.is_file() and (match := off.search(path.read_text()))
    ]
    assert found == []


def test_the_checks_are_those_of_the_specification() -> None:
    table = (ROOT / "interop" / "README.md").read_text().partition("## The checks")[2]
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == CHECKS


PROGRAM = """\
#!/bin/sh
before
    # [outer]
    first [x]

    // -- [inner] --
      second
    // -- [/inner] --

    /* [/outer] */
# [not] a border
after
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "day.sh").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize(
    ("region", "text"),
    [
        ("", "#!/bin/sh\nbefore\n    first [x]\n\n      second\n\n# [not] a border\nafter\n"),
        ("outer", "first [x]\n\n  second\n"),
        ("inner", "second\n"),
    ],
)
def test_a_source_is_the_file_or_a_region_without_borders(root: Path, region: str, text: str) -> None:
    assert source(Include("day.sh", region), root) == text


@pytest.mark.parametrize(
    ("program", "region"),
    [
        (PROGRAM, "other"),
        ("# [a]\nx\n", "a"),
        ("x\n# [/a]\n", "a"),
        ("# [a]\n# [a]\nx\n# [/a]\n", "a"),
        ("# [a]\nx\n# [/a]\n# [a]\ny\n# [/a]\n", "a"),
    ],
    ids=["none", "no end", "no begin", "begun twice", "there twice"],
)
def test_a_region_needs_one_pair_of_borders(root: Path, program: str, region: str) -> None:
    (root / "day.sh").write_text(program)
    with pytest.raises(PageFault, match=r"day\.sh"):
        source(Include("day.sh", region), root)


def test_filling_replaces_what_is_in_the_block_and_nothing_else(root: Path) -> None:
    page = "# Title\n\n<!-- include: day.sh#inner -->\n```sh\nold\n\nolder\n```\n\n```sh\nkept\n```\n"
    new = filled(page, root)
    assert new == "# Title\n\n<!-- include: day.sh#inner -->\n```sh\nsecond\n```\n\n```sh\nkept\n```\n"
    assert filled(new, root) == new


@pytest.mark.parametrize(
    "page",
    [
        "<!-- include: day.sh -->\n\n```sh\n```\n",
        "<!-- include: day.sh -->\n```sh\nno end\n",
        "<!-- include: gone.sh -->\n```sh\n```\n",
        "<!-- include day.sh -->\n```sh\n```\n",
        "<!-- include: day.sh -->",
    ],
    ids=["not directly before", "no end", "no file", "misspelt", "at the end"],
)
def test_a_marker_that_cannot_be_followed_is_told(root: Path, page: str) -> None:
    with pytest.raises(PageFault):
        filled(page, root)


def test_code_with_fences_needs_a_longer_fence(root: Path) -> None:
    (root / "day.sh").write_text("```\n")
    with pytest.raises(PageFault, match="longer fence"):
        filled("<!-- include: day.sh -->\n```sh\n```\n", root)
    assert "````sh\n```\n````" in filled("<!-- include: day.sh -->\n````sh\n````\n", root)
