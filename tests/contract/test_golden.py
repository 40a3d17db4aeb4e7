"""Golden wire files: for each request file in golden/ the one right answer, byte for byte, on both databases.

`<name>.request.http` is a request, `<name>.response.http` the answer to it in a world that is the same every
time (tests/support/world.py; time, codes and signing key stand still). Line ends of the heads are LF in the
files; `{length}` stands for the length of the body; the body is what follows the blank line, without the
file's last line end.

After a wanted change of the wire, or for a new request file, write the answers anew with

    CREATEVOUCHERS_WRITE_GOLDEN=1 python -m pytest tests/contract/test_golden.py

which skips every test whose file it wrote, and read the difference before you keep it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from soap_service.domain.faults import FaultCode
from soap_service.operations.house import House
from soap_service.paths import wsdl_file
from soap_service.soap.endpoint import Endpoint
from soap_service.soap.origin import Origin
from soap_service.store import vouchers
from soap_service.store.engine import Store
from tests.support.soap import Answer, ask, capture_door_log, check_soap
from tests.support.world import OpenWorld, documented_codes, house_on, tally

GOLDEN = Path(__file__).with_name("golden")
REQUESTS = {
    path.relative_to(GOLDEN).as_posix().removesuffix(".request.http"): path
    for path in GOLDEN.rglob("*.request.http")
}
WRITE = "CREATEVOUCHERS_WRITE_GOLDEN"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def open_world(request: pytest.FixtureRequest) -> OpenWorld:
    """Opens fresh worlds on one of the databases."""
    found: OpenWorld = request.getfixturevalue(f"{request.param}_world")
    return found


@pytest.fixture(scope="module")
def shared_store(open_world: OpenWorld) -> Iterator[Store]:
    """A world for requests that change nothing."""
    with open_world() as store:
        yield store


def store_away(house: House, _: pytest.MonkeyPatch) -> House:
    """A store that really cannot be reached: ES005."""
    return replace(house, store=Store("sqlite:////no-such-directory/store.db"))


def unsignable_code(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Codes that no token can hold, as no database would give them: ES026."""
    page = vouchers.page
    monkeypatch.setattr(
        vouchers, "page", lambda *args: [(f"{code}\ud800", terms_id) for code, terms_id in page(*args)]
    )
    return house


CIRCUMSTANCES: dict[str, Callable[[House, pytest.MonkeyPatch], House]] = {
    "faults/es005_store_away": store_away,
    "faults/es005_soap12": store_away,
    "faults/es026_token_not_creatable": unsignable_code,
}


def send(door: Endpoint, path: Path) -> Answer:
    """Send a request file to a door in this process; an absolute target says the scheme."""
    head, _, body = path.read_bytes().removesuffix(b"\n").partition(b"\n\n")
    line, *lines = head.decode().replace("{length}", str(len(body))).split("\n")
    method, target, protocol = line.split(" ")
    scheme, _, rest = target.rpartition("://")
    url_path, _, query = rest[rest.index("/") :].partition("?")
    environ: dict[str, str] = {"SERVER_PROTOCOL": protocol, "CONTENT_TYPE": ""}
    for header in lines:
        name, value = header.split(": ", 1)
        name = name.upper().replace("-", "_")
        environ[name if name.startswith("CONTENT_") and name != "CONTENT_ENCODING" else f"HTTP_{name}"] = value
    return ask(door, body, method=method, path=url_path, query=query, scheme=scheme or "https", **environ)


def as_file(answer: Answer) -> bytes:
    """An answer as it stands in a response file."""
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name.title()}: {value}" for name, value in answer.headers.items()]
    return "\n".join([*lines, "", ""]).encode() + answer.body + b"\n"


def response_file(name: str) -> Path:
    return GOLDEN / f"{name}.response.http"


def body_of(name: str) -> bytes:
    return response_file(name).read_bytes().partition(b"\n\n")[2].removesuffix(b"\n")


def answer_to(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> Answer:
    capture_door_log(monkeypatch)
    house = replace(house_on(store), make_codes=documented_codes())
    house = CIRCUMSTANCES.get(name, lambda house, _: house)(house, monkeypatch)
    return send(Endpoint(house, origin=Origin()), REQUESTS[name])


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_the_answer_is_the_golden_one(
    open_world: OpenWorld, shared_store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("create_vouchers/"):
        with open_world() as store:
            before = tally(store)
            answer = answer_to(name, store, monkeypatch)
            assert tally(store)["vouchers"] == before["vouchers"] + len(answer.codes)
    else:
        before = tally(shared_store)
        answer = answer_to(name, shared_store, monkeypatch)
        assert tally(shared_store) == before, "nothing is changed by a fault, nor by those who only look"
    check_soap(answer)
    if os.environ.get(WRITE):
        response_file(name).write_bytes(as_file(answer))
        pytest.skip(f"{response_file(name).name} written: read the difference")
    assert as_file(answer) == response_file(name).read_bytes()


class TestTheFiles:
    """The answers themselves, without the program: what was written is right, and nothing is missing."""

    def test_every_request_has_its_response_and_every_response_its_request(self) -> None:
        files = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}
        wanted = {f"{name}.{half}.http" for name in REQUESTS for half in ("request", "response")}
        assert files - wanted == {"documented_request.xml", "documented_response.xml"}
        assert wanted <= files
        assert set(CIRCUMSTANCES) <= set(REQUESTS)

    @pytest.mark.parametrize("code", FaultCode)
    def test_every_fault_code_has_one(self, code: FaultCode) -> None:
        names = [name for name in REQUESTS if name.startswith(f"faults/{code.lower()}_")]
        texts = [etree.fromstring(body_of(name)).findtext(".//faultstring") for name in names]
        assert any(text and text.startswith(f"{code} ") for text in texts), names

    def test_a_fault_is_kept_under_its_code(self) -> None:
        for name in REQUESTS:
            match = re.search(rb"(ES\d{3}) ", body_of(name))
            assert (match is not None) == name.startswith("faults/"), name
            if match and not name.startswith("faults/must_understand"):
                assert name.startswith(f"faults/{match[1].decode().lower()}_")

    def test_must_understand_has_one_in_both_versions(self) -> None:
        for name in ("faults/must_understand", "faults/must_understand_soap12"):
            assert b"SOAP-ENV:MustUnderstand" in body_of(name)

    def test_every_operation_has_some(self) -> None:
        root = etree.parse(wsdl_file())
        operations = root.xpath("//*[local-name() = 'portType']/*[local-name() = 'operation']/@name")
        assert len(operations) == 5
        for operation in operations:
            named = [name for name in REQUESTS if f"<ns:{operation}Response>".encode() in body_of(name)]
            assert len(named) >= 2, operation

    def test_soap_1_2_has_some(self) -> None:
        new = [name for name in REQUESTS if b"2003/05/soap-envelope" in body_of(name)]
        assert sorted(new) == sorted(name for name in REQUESTS if name.endswith("soap12"))
        assert len(new) >= 5

    def test_every_success_is_valid_by_the_schema_of_the_wsdl(self) -> None:
        schema = etree.XMLSchema(etree.parse(wsdl_file()).find(".//{http://www.w3.org/2001/XMLSchema}schema"))
        checked = 0
        for name in REQUESTS:
            content = etree.fromstring(body_of(name))[0][0]
            if etree.QName(content).localname != "Fault":
                schema.assertValid(etree.fromstring(etree.tostring(content)))
                checked += 1
        assert checked >= 20

    def test_unknown_shop_wrong_password_and_disabled_shop_cannot_be_told_apart(self) -> None:
        names = [name for name in REQUESTS if name.startswith("faults/es002_")]
        assert len(names) == 3
        assert len({response_file(name).read_bytes() for name in names}) == 1


class TestTheDocumentedExample:
    """The one example of the interface documentation that was not lost, copied as it is printed there."""

    def content(self, body: bytes) -> list[tuple[str, str]]:
        """Every element with its text, blanks around texts apart."""
        return [(str(element.tag), (element.text or "").strip()) for element in etree.fromstring(body).iter()]

    def test_our_request_file_is_the_documentations(self) -> None:
        request = REQUESTS["create_vouchers/documented"].read_bytes().partition(b"\n\n")[2]
        assert request == (GOLDEN / "documented_request.xml").read_bytes()

    def test_the_golden_answer_says_what_the_documentation_says_in_its_order(self) -> None:
        documented = (GOLDEN / "documented_response.xml").read_bytes()
        assert self.content(body_of("create_vouchers/documented")) == self.content(documented)

    def test_with_the_same_prefixes(self) -> None:
        documented: Any = etree.parse(GOLDEN / "documented_response.xml").getroot()
        ours: Any = etree.fromstring(body_of("create_vouchers/documented"))
        assert list(ours.nsmap.items()) == list(documented.nsmap.items())
        assert [element.prefix for element in ours.iter()] == [element.prefix for element in documented.iter()]
