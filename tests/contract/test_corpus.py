"""The corpus: every shape of request that the contract accepts or refuses, over a raw socket to a running server.

The files are in corpus/, their form is described in tests/support/corpus.py. Whatever was refused: the answer
is well-formed SOAP, nothing in the store has changed, the workers are the same, and the next call succeeds.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.corpus import CORPUS, Case, all_cases
from tests.support.server import RunningServer, Served
from tests.support.soap import SOAP_11, SOAP_12, Answer, check_soap, request
from tests.support.world import SECRETS, tally

CASES = all_cases()
# Longest piece of input that a fault may repeat (contract, section 2).
LONGEST_ECHO = 64


def play(server: RunningServer, case: Case) -> Answer:
    """Send the request of a case on a new connection, and read the answer to it."""
    head, body = case.message(f"localhost:{server.port}")
    then = case.rule("then")
    with server.connect() as wire:
        if then == "end within the head":
            head = head[: len(head) // 2]
        wire.send(head)
        if b"expect: 100-continue" in head.lower():
            assert wire.read().status == 100
        wire.send(body)
        if then:
            wire.stop_sending()
        answer = wire.read(bodiless=head.startswith(b"HEAD "))
        if case.rule("ends"):
            assert wire.at_end()
    return answer


# What these refuse never comes near a store: one database is enough.
NEVER_STORED = ("refused_xml", "refused_soap", "refused_http")


@pytest.fixture
def server_for(request: pytest.FixtureRequest) -> Served:
    """The running server on the database that the test is for."""
    found: Served = request.getfixturevalue(f"{request.param}_served")
    return found


@pytest.mark.parametrize(
    ("server_for", "case"),
    [
        pytest.param(kind, case, id=f"{kind}-{case.name}")
        for kind in ("sqlite", "postgresql")
        for case in CASES
        if kind == "sqlite" or case.path.parent.name not in NEVER_STORED
    ],
    indirect=["server_for"],
)
def test_case(server_for: Served, case: Case) -> None:
    server, store = server_for.server, server_for.store
    before = tally(store)
    answer = play(server, case)
    check_http(case, answer)
    created = 0
    if case.rule("created"):
        created = check_success(case, answer)
    elif case.rule("fault"):
        check_fault(case, answer)
    after = tally(store)
    assert after["vouchers"] == after["counted"] == before["vouchers"] + created
    if not created:
        assert after == before
        check_alive(server)


def check_http(case: Case, answer: Answer) -> None:
    usual = "500" if case.rule("fault") else "200"
    assert str(answer.status) == (case.rule("status") or usual), answer.body[-300:]
    for header in case.rules.get("header", []):
        name, _, value = header.partition("=")
        assert answer.headers.get(name.lower()) == value
    for name in case.rules.get("without", []):
        assert name.lower() not in answer.headers
    assert "server" not in answer.headers
    for secret in SECRETS:
        assert secret.encode() not in answer.body


def check_version(case: Case, answer: Answer) -> None:
    check_soap(answer)
    expected = SOAP_12 if case.rule("soap") == "1.2" else SOAP_11
    assert answer.root.tag == f"{{{expected}}}Envelope"


def check_success(case: Case, answer: Answer) -> int:
    """The number of vouchers made."""
    check_version(case, answer)
    assert answer.fault is None, answer.fault
    for rule in case.rules.get("says", []):
        name, _, text = rule.partition("=")
        assert answer.fields.get(name) == text.replace("\\n", "\n"), name
    for name in case.rules.get("lacks", []):
        assert name not in answer.fields
    assert len(set(answer.codes)) == len(answer.codes) == int(case.rule("created") or "")
    return len(answer.codes)


def check_fault(case: Case, answer: Answer) -> None:
    check_version(case, answer)
    fault = answer.fault
    assert fault is not None
    if case.rule("fault") == "MustUnderstand":
        assert fault.code == "MustUnderstand"
    else:
        assert fault.code in ("Client", "Sender")
        assert answer.fault_code == case.rule("fault")
    assert fault.field == case.rule("field")
    sent = b"".join(case.message("localhost"))
    for text in (fault.text, fault.field or "", fault.expected or ""):
        data = text.encode()
        pieces = (data[i : i + LONGEST_ECHO + 1] for i in range(len(data) - LONGEST_ECHO))
        assert not any(piece in sent for piece in pieces)


def check_alive(server: RunningServer) -> None:
    assert server.is_whole(), "no worker may die"
    normal = server.post(request("GetVoucherChargeInfo", ChargeId="testid3"))
    assert normal.fields == {"VoucherCount": "5", "HasTemplate": "false"}


def test_the_corpus_is_complete() -> None:
    """Every list of the contract has its directory, and nothing in it is empty or unread."""
    kinds = {case.path.parent.name for case in CASES}
    assert kinds == {
        *("names", "attributes", "envelope", "numbers", "booleans", "http", "filters", "currencies", "soap12"),
        "order",
        *("stubs", "refused_xml", "refused_soap", "refused_http", "refused_numbers", "refused_booleans"),
        *("refused_filters", "refused_currencies"),
    }
    for case in CASES:
        refused = case.path.parent.name.startswith("refused_")
        assert not (refused and case.rule("created")), case.name


def test_the_readme_counts_the_corpus() -> None:
    kinds = Counter(path.parent.name for path in CORPUS.glob("*/*.http"))
    lines = (CORPUS.parent / "README.md").read_text("utf-8").splitlines()
    counted = {row[1].strip(" `"): row[2].strip() for line in lines if len(row := line.split("|")) > 3}
    assert {kind: counted.get(kind) for kind in kinds} == {kind: str(count) for kind, count in kinds.items()}
    assert counted["all"] == str(sum(kinds.values())) == str(len(CASES))
