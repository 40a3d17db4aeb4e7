"""The pages in docs/integrators: their programs are included from the files that `make interop` runs.

A line `<!-- include: interop/stacks/zeep/day.py -->` stands directly before a fenced code block; the block is
that file. With `#first-call` behind the path it is that region of the file: the lines between a comment line
with `[first-call]` and one with `[/first-call]`, without their common indentation. The comment lines that
mark regions are in no block, nor are the blank lines that would be doubled without them.

`python -m interop.pages` fills the blocks, `--check` tells the pages whose blocks differ.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "integrators"

_MARKER = re.compile(r"<!-- include: (?P<path>[^\s#]+)(?:#(?P<region>[a-z0-9-]+))? -->")
_FENCE = re.compile(r"(?P<ticks>`{3,})(?P<language>[\w+-]*)")
_BORDER = re.compile(r"\s*(?:#|//|--|;|/\*|<!--)[^\w\[\]]*\[(?P<end>/?)(?P<region>[a-z][a-z0-9-]*)\][^\w\[\]]*")


class PageFault(ValueError):
    """A marker that cannot be followed; the text says where and why."""


@dataclass(frozen=True)
class Include:
    """A block of a page and where it comes from; `region` is "" for the whole file."""

    path: str
    region: str


def pages() -> list[Path]:
    """Every page of a stack, sorted."""
    return sorted(path for path in PAGES.glob("*.md") if path.name != "README.md")


def title(page: Path) -> str:
    """The page's first heading; the file's name when there is no page."""
    if page.exists() and (match := re.search(r"^# (.+)$", page.read_text(), re.MULTILINE)):
        return match[1].strip()
    return page.stem


def includes(page_text: str) -> list[Include]:
    """The markers of a page, in order."""
    matches = map(_MARKER.fullmatch, page_text.splitlines())
    return [Include(match["path"], match["region"] or "") for match in matches if match]


def filled(page_text: str, root: Path = ROOT) -> str:
    """The page with every included block as its file says. Raises PageFault."""
    lines = page_text.split("\n")
    result = []
    position = 0
    while position < len(lines):
        line = lines[position]
        result.append(line)
        position += 1
        match = _MARKER.fullmatch(line)
        if match is None:
            if "<!-- include" in line:
                raise PageFault(f"line {position}: not a marker: {line}")
            continue
        fence = _FENCE.fullmatch(lines[position]) if position < len(lines) else None
        if fence is None:
            raise PageFault(f"line {position}: no code block directly behind the marker")
        try:
            end = lines.index(fence["ticks"], position + 1)
        except ValueError:
            raise PageFault(f"line {position + 1}: the code block has no end") from None
        text = source(Include(match["path"], match["region"] or ""), root)
        if fence["ticks"] in text:
            raise PageFault(f"line {position + 1}: the code block needs a longer fence")
        result += [lines[position], *text.splitlines(), fence["ticks"]]
        position = end + 1
    return "\n".join(result)


def source(include: Include, root: Path = ROOT) -> str:
    """The text of an included file or region. Raises PageFault when there is none, or its borders are wrong."""
    path = root / include.path
    if not path.is_file():
        raise PageFault(f"there is no file {include.path}")
    kept: list[str] = []
    inside = not include.region
    opened = 0
    behind_border = False
    for line in path.read_text(encoding="utf-8").splitlines():
        border = _BORDER.fullmatch(line)
        if border is None:
            if inside and not (behind_border and not line and kept and not kept[-1]):
                kept.append(line)
                behind_border = False
            continue
        behind_border = True
        if border["region"] == include.region:
            if inside != bool(border["end"]):
                raise PageFault(f"{include.path}: the borders of [{include.region}] do not pair")
            inside = not border["end"]
            opened += inside
    if include.region and (opened != 1 or inside):
        raise PageFault(f"{include.path}: one [{include.region}] and one [/{include.region}] are needed")
    return textwrap.dedent("\n".join(kept)).strip("\n") + "\n" if include.region else "\n".join(kept) + "\n"


def main() -> int:
    """Fill the pages, or check them; exits with 1 when a page is not right."""
    parser = argparse.ArgumentParser(prog="python -m interop.pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, tell which pages differ")
    check = parser.parse_args().check
    wrong = False
    for page in (PAGES / "README.md", *pages()):
        name = page.relative_to(ROOT)
        text = page.read_text(encoding="utf-8")
        try:
            new = filled(text)
        except PageFault as fault:
            print(f"{name}: {fault}")
            wrong = True
            continue
        if new == text:
            continue
        if check:
            print(f"{name}: a block differs from its file; python -m interop.pages writes it anew")
            wrong = True
        else:
            page.write_text(new, encoding="utf-8")
            print(f"{name}: filled")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
