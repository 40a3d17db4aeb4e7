"""What a reader looks up is there: every setting, every fault, and no link that leads nowhere."""

import re
from pathlib import Path

import pytest

from soap_service.domain.faults import TEXTS, FaultCode
from soap_service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def rows(page: str) -> dict[str, list[str]]:
    """First cell -> cells of every table row of a page."""
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0].strip("`"): row for row in cells}


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_explained_with_its_default(name: str) -> None:
    row = rows("configuration.md")[f"CREATEVOUCHERS_{name.upper()}"]
    default = Settings.model_fields[name].default
    assert row[2], "a meaning"
    if isinstance(default, bool):
        assert row[1] == f"`{str(default).lower()}`"
    elif isinstance(default, (int, str)):
        assert row[1] == f"`{default}`"


def test_no_setting_is_explained_that_is_not_there() -> None:
    explained = {name for name in rows("configuration.md") if name.startswith("CREATEVOUCHERS_")}
    assert explained == {f"CREATEVOUCHERS_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("code", list(FaultCode))
def test_every_fault_is_explained(code: FaultCode) -> None:
    row = rows("faults.md")[code.value]
    assert row[1] == TEXTS[code].format(field="*field*", count="*n*"), "the text as on the wire"
    assert row[2], "when it happens"
    assert row[3], "what the caller does"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
        assert (page.parent / target).exists(), target
