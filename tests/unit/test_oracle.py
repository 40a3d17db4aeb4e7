"""The gSOAP oracle without gSOAP: how its answers are heard and compared; every explanation is documented."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from interop.oracle.compare import (
    DECISIONS,
    HEADING,
    Difference,
    Explanation,
    Kind,
    differences,
    explanations,
    problems,
    undocumented,
)
from interop.oracle.replay import Heard, hear
from tests.support.corpus import Case, all_cases
from tests.support.soap import SOAP_11, SOAP_12, envelope


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def created(inner: str) -> bytes:
    return http(
        envelope(
            f'<n:CreateVouchersResponse xmlns:n="urn:x"><response>{inner}</response></n:CreateVouchersResponse>'
        )
    )


TWO = "<VoucherNumbers><VoucherNumber>0</VoucherNumber><VoucherNumber>1</VoucherNumber></VoucherNumbers>"


@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        (b"", Heard(False, "no answer")),
        (b"HTTP/1.1 405 Not Allowed\r\n\r\n", Heard(False, "HTTP 405")),
        (http(b"", "200 OK"), Heard(False, "HTTP 200")),
        (http(b"<html>"), Heard(False, "HTTP 200")),
        (http(envelope("")), Heard(False, "HTTP 200")),
        (
            http(envelope(f'<F:Fault xmlns:F="{SOAP_11}"><faultstring>no</faultstring></F:Fault>'), "500 Error"),
            Heard(False, "no"),
        ),
        (
            http(
                envelope(
                    f'<F:Fault xmlns:F="{SOAP_12}"><F:Reason><F:Text>no</F:Text></F:Reason></F:Fault>', SOAP_12
                ),
                "400 Bad Request",
            ),
            Heard(False, "no"),
        ),
        (http(envelope("<a/>"), "202 Accepted"), Heard(False, "HTTP 202")),
        (http(envelope("<GetVoucherCodesResponse/>")), Heard(True, "accepted")),
        (created(TWO), Heard(True, "accepted", 2)),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + created(f"<MsgID>ü</MsgID><Amount>10.5</Amount>{TWO}"),
            Heard(True, "accepted", 2, "ü", Decimal("10.5")),
        ),
        (created("<Amount>-1e+09</Amount>"), Heard(True, "accepted", 0)),
        (created("<Amount>NaN</Amount>"), Heard(True, "accepted", 0)),
    ],
)
def test_hear(answer: bytes, heard: Heard) -> None:
    assert hear(answer) == heard


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Case:
    """A case with the rules of the test's marker."""
    monkeypatch.setattr("tests.support.corpus.CORPUS", tmp_path)
    path = tmp_path / "one.http"
    path.write_text(f"# One.\n{request.param}\n---\nPOST / HTTP/1.1\n\nbody\n")
    return Case(path)


REFUSED = "fault: ES015"
ACCEPTED = "created: 2\nsays: MsgID=a\\nb\nsays: Amount=99.90"


@pytest.mark.parametrize(
    ("case", "heard", "found"),
    [
        (REFUSED, Heard(False, "no"), None),
        (REFUSED, Heard(True, "accepted"), (Kind.ACCEPTS, "ES015", "accepted")),
        ("status: 405", Heard(True, "accepted"), (Kind.ACCEPTS, "HTTP 405", "accepted")),
        (ACCEPTED, Heard(False, "no"), (Kind.REFUSES, "accepted", "no")),
        (ACCEPTED, Heard(True, "", 2, "a\nb", Decimal("99.9000015")), None),
        (ACCEPTED, Heard(True, "", 2, "a\nb"), None),
        (ACCEPTED, Heard(True, "", 1, "a\nb"), (Kind.READS, "2 vouchers", "1 vouchers")),
        (ACCEPTED, Heard(True, "", 2), (Kind.READS, "MsgID 'a\\nb'", "no MsgID")),
        (ACCEPTED, Heard(True, "", 2, "a\nb", Decimal("99.91")), (Kind.READS, "Amount 99.90", "Amount 99.91")),
    ],
    indirect=["case"],
)
def test_differences(case: Case, heard: Heard, found: tuple[Kind, str, str] | None) -> None:
    assert differences([case], {"one": heard}) == ([] if found is None else [Difference("one", *found)])


def test_problems_are_what_is_not_explained_and_what_is_not_seen() -> None:
    seen = Difference("a/b", Kind.ACCEPTS, "ES015", "accepted")
    right = Explanation("Title", Kind.ACCEPTS, "Why.", ("a/b",))
    assert problems([seen], [right]) == []
    assert problems([seen], []) == ["not explained: gSOAP accepts a/b (here: ES015; there: accepted)"]
    assert problems([], [right]) == ["explained, but not seen: gSOAP accepts a/b"]
    assert len(problems([seen], [Explanation("Title", Kind.REFUSES, "Why.", ("a/b",))])) == 2


def test_an_explanation_must_stand_in_its_section() -> None:
    one = Explanation("Title", Kind.ACCEPTS, "Because it is so.", ())
    text = "- **Title.** Because it\n  is so.\n"
    assert undocumented([one], f"# x\n\n{HEADING}\n\n{text}") == []
    assert undocumented([one], f"# x\n\n{text}\n{HEADING}\n\n") == ["not in docs/decisions.md: Title"]
    assert undocumented([one], f"# x\n\n{HEADING}\n\n\n## Next\n\n{text}") == ["not in docs/decisions.md: Title"]


def test_explanations_are_documented_and_about_cases_that_there_are() -> None:
    explained = explanations()
    assert undocumented(explained, DECISIONS.read_text()) == []
    names = {case.name for case in all_cases()}
    assert [name for one in explained for name in one.cases if name not in names] == []


def test_a_case_has_one_explanation(tmp_path: Path) -> None:
    entry = '[[difference]]\ntitle = "{}"\ngsoap = "accepts"\nwhy = "x"\ncases = ["a/b"]\n'
    twice = tmp_path / "twice.toml"
    twice.write_text(entry.format("One") + entry.format("Two"))
    with pytest.raises(ValueError, match="twice: a/b"):
        explanations(twice)
