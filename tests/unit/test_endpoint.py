"""The endpoint as a WSGI application: HTTP in, SOAP out, whatever happens. No server and mostly no store."""

from __future__ import annotations

import gzip
import io
import logging
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from soap_service.operations.house import House
from soap_service.soap.endpoint import Endpoint
from soap_service.soap.origin import Origin
from soap_service.store.engine import Store
from tests.support.soap import SOAP_12, Answer, ask, capture_door_log, request
from tests.support.world import PASSWORD

Logged = list[MutableMapping[str, Any]]

LIMIT = 262_144
XSI = 'xmlns:x="http://www.w3.org/2001/XMLSchema-instance"'
GOOD = request("CreateVouchers", VoucherCount=1, ChargeId="TestCharge")


@pytest.fixture(autouse=True)
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    """What the endpoint logs, however logging is configured in this process."""
    return capture_door_log(monkeypatch)


@pytest.fixture(scope="module")
def away() -> Endpoint:
    """A door to a house whose store cannot be reached; a request that is read gets ES005."""
    return Endpoint(House(Store("sqlite:////no-such-directory/store.db")), origin=Origin())


def assert_fault(answer: Answer, code: str, status: int = 500) -> None:
    assert answer.status == status
    assert answer.fault_code == code


class TestRouting:
    @pytest.mark.parametrize("path", ["/createvouchers", "/createvouchers/"])
    def test_post_is_a_call(self, away: Endpoint, path: str) -> None:
        assert_fault(ask(away, GOOD, path=path), "ES005")

    @pytest.mark.parametrize(
        "path", ["", "/", "/other", "/createvouchers/x", "/createvouchers.xml", "/CreateVouchers"]
    )
    def test_post_elsewhere_is_a_fault(self, away: Endpoint, path: str) -> None:
        assert_fault(ask(away, GOOD, path=path), "ES015", 404)

    @pytest.mark.parametrize("query", ["wsdl", "WSDL", "wsdl=1", "Wsdl=", "a=1&wSdL", "singleWsdl&wsdl"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_wsdl_by_query(self, away: Endpoint, query: str, method: str) -> None:
        answer = ask(away, method=method, query=query)
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        if method == "GET":
            assert etree.fromstring(answer.body).tag == "{http://schemas.xmlsoap.org/wsdl/}definitions"

    def test_wsdl_by_path(self, away: Endpoint) -> None:
        assert (
            ask(away, method="GET", path="/createvouchers.wsdl").body == ask(away, method="GET", query="wsdl").body
        )

    @pytest.mark.parametrize("query", ["", "xwsdl", "x=wsdl", "wsdl2"])
    def test_get_is_a_short_page_with_the_endpoint_and_the_wsdl(self, away: Endpoint, query: str) -> None:
        answer = ask(away, method="GET", query=query, HTTP_HOST='x"><script>')
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        page = etree.HTML(answer.body.decode())
        assert page.xpath("//a/@href") == ['https://x"><script>/createvouchers?wsdl']
        assert page.xpath("//code/text()") == ['POST https://x"><script>/createvouchers']
        assert not page.xpath("//script")

    @pytest.mark.parametrize("path", ["/", "/other", "/createvouchers.xsd"])
    def test_get_elsewhere_finds_nothing(self, away: Endpoint, path: str) -> None:
        answer = ask(away, method="GET", path=path)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
        assert b"/createvouchers" in answer.body

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "CONNECT"])
    @pytest.mark.parametrize(
        ("path", "allowed"), [("/createvouchers", "GET, HEAD, POST"), ("/createvouchers.wsdl", "GET, HEAD")]
    )
    def test_other_methods(self, away: Endpoint, method: str, path: str, allowed: str) -> None:
        answer = ask(away, GOOD, method=method, path=path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"

    def test_post_to_the_wsdl_is_not_allowed(self, away: Endpoint) -> None:
        assert ask(away, GOOD, path="/createvouchers.wsdl").status == 405

    @pytest.mark.parametrize("path", ["/createvouchers", "/other", "/createvouchers.wsdl"])
    def test_head_is_get_without_the_body(self, away: Endpoint, path: str) -> None:
        get, head = ask(away, method="GET", path=path), ask(away, method="HEAD", path=path)
        assert head.body == b""
        assert (head.status, head.headers) == (get.status, get.headers)
        assert head.headers["content-length"] == str(len(get.body))


class TestTransportSecurity:
    @pytest.mark.parametrize("method", ["POST", "GET", "PUT", "HEAD"])
    def test_plain_is_es007_whatever_is_asked(self, away: Endpoint, method: str) -> None:
        answer = ask(away, GOOD, method=method, scheme="http")
        assert answer.status == 500
        if method != "HEAD":
            assert answer.fault_code == "ES007"

    def test_plain_is_es007_before_anything_is_read(self, away: Endpoint) -> None:
        class Untouchable:
            def __getattr__(self, name: str) -> Any:
                raise AssertionError(name)

        environ: dict[str, Any] = {"wsgi.input": Untouchable()}
        assert_fault(ask(away, GOOD, scheme="http", **environ), "ES007")

    def test_es007_is_soap_1_1_since_nobody_has_read_the_version(self, away: Endpoint) -> None:
        answer = ask(away, request("GetVoucherCharges", SOAP_12), scheme="http")
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"

    def test_not_required_in_development(self, away: Endpoint) -> None:
        lax = Endpoint(away.app.house, origin=Origin(), require_tls=False)
        assert_fault(ask(lax, GOOD, scheme="http"), "ES005")
        assert b"http://localhost:8443/createvouchers" in ask(lax, method="GET", query="wsdl", scheme="http").body


class TestBody:
    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/xml",
            "text/xml; charset=utf-8",
            'text/xml;charset="UTF-8"',
            "text/xml; charset=UTF8",
            "application/soap+xml; action=x; charset='utf-8'",
            "application/x-www-form-urlencoded",
            "nonsense",
            ";;=",
        ],
    )
    def test_content_types_that_are_read(self, away: Endpoint, content_type: str) -> None:
        assert_fault(ask(away, GOOD, CONTENT_TYPE=content_type), "ES005")

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/xml; charset=iso-8859-1",
            'text/xml; charset="utf-16"',
            "TEXT/XML; CHARSET=US-ASCII",
            'multipart/related; boundary="b"',
            "Multipart/Form-Data",
        ],
    )
    def test_content_types_that_are_refused(self, away: Endpoint, content_type: str) -> None:
        assert_fault(ask(away, GOOD, CONTENT_TYPE=content_type), "ES015")

    def test_no_content_type_at_all(self, away: Endpoint) -> None:
        answer = ask(lambda environ, start: away(_without(environ, "CONTENT_TYPE", "CONTENT_LENGTH"), start), GOOD)
        assert_fault(answer, "ES005")

    @pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
    def test_gzip(self, away: Endpoint, coding: str) -> None:
        assert_fault(ask(away, gzip.compress(GOOD), HTTP_CONTENT_ENCODING=coding), "ES005")

    @pytest.mark.parametrize("coding", ["", "identity"])
    def test_no_coding(self, away: Endpoint, coding: str) -> None:
        assert_fault(ask(away, GOOD, HTTP_CONTENT_ENCODING=coding), "ES005")

    @pytest.mark.parametrize("coding", ["deflate", "br", "gzip, gzip", "nonsense"])
    def test_other_codings_are_refused(self, away: Endpoint, coding: str) -> None:
        assert_fault(ask(away, gzip.compress(GOOD), HTTP_CONTENT_ENCODING=coding), "ES015")

    @pytest.mark.parametrize(
        "damaged",
        [
            pytest.param(GOOD, id="not compressed"),
            pytest.param(b"", id="nothing"),
            pytest.param(gzip.compress(GOOD)[:-1], id="cut in the checksum"),
            pytest.param(gzip.compress(GOOD)[:40], id="cut in the data"),
            pytest.param(gzip.compress(GOOD)[:-8] + b"\0" * 8, id="wrong checksum"),
            pytest.param(gzip.compress(GOOD) + b"x", id="garbage behind"),
            pytest.param(gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]), id="two members"),
            pytest.param(gzip.compress(b" " * (LIMIT + 1)), id="one byte too large"),
            pytest.param(gzip.compress(b" " * 50_000_000), id="bomb"),
        ],
    )
    def test_gzip_that_is_refused(self, away: Endpoint, damaged: bytes) -> None:
        assert_fault(ask(away, damaged, HTTP_CONTENT_ENCODING="gzip"), "ES015")

    def test_the_limit_is_exact(self, away: Endpoint) -> None:
        padded = GOOD + b" " * (LIMIT - len(GOOD))
        assert_fault(ask(away, padded), "ES005")
        assert_fault(ask(away, padded + b" "), "ES015")
        assert_fault(ask(away, gzip.compress(padded), HTTP_CONTENT_ENCODING="gzip"), "ES005")

    def test_the_limit_is_a_setting(self, away: Endpoint) -> None:
        small = Endpoint(away.app.house, origin=Origin(), max_body_bytes=len(GOOD))
        assert_fault(ask(small, GOOD), "ES005")
        assert_fault(ask(small, GOOD + b" "), "ES015")

    @pytest.mark.parametrize("error", [OSError("gone"), ValueError("chunk"), TimeoutError()])
    def test_a_body_that_cannot_be_read_is_refused(self, away: Endpoint, error: Exception) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell():
                    raise error
                return super().read(10)

        environ: dict[str, Any] = {"wsgi.input": Broken(GOOD)}
        assert_fault(ask(away, GOOD, **environ), "ES015")

    def test_an_endless_body_is_not_read_for_ever(self, away: Endpoint) -> None:
        class Endless:
            served = 0

            def read(self, size: int) -> bytes:
                self.served += size
                return b" " * size if self.served < 64 * 1024 * 1024 else b""

        endless = Endless()
        environ: dict[str, Any] = {"wsgi.input": endless}
        assert_fault(ask(away, GOOD, **environ), "ES015")
        assert endless.served < 32 * 1024 * 1024

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        body=st.binary(max_size=400),
        content_type=st.text(st.characters(max_codepoint=255), max_size=30),
        coding=st.sampled_from(["", "gzip", "br"]),
        query=st.text(st.characters(max_codepoint=255), max_size=20),
        path=st.sampled_from(["/createvouchers", "/x"]),
        method=st.sampled_from(["POST", "GET", "PUT"]),
    )
    def test_anything_is_answered(
        self, away: Endpoint, body: bytes, content_type: str, coding: str, query: str, path: str, method: str
    ) -> None:
        answer = ask(
            away,
            body,
            method=method,
            path=path,
            query=query,
            CONTENT_TYPE=content_type,
            HTTP_CONTENT_ENCODING=coding,
        )
        assert answer.headers["content-length"] == str(len(answer.body))
        if method == "POST":
            assert answer.fault_code == "ES015"
        else:
            assert answer.status in (200, 404, 405)


def _without(environ: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if name not in names}


class TestOutOfOrder:
    """ES005 for whatever is nobody's fault but ours, and nothing of it in the answer."""

    def test_store_away_and_back(self, tmp_path: Path, sqlite_store: Store) -> None:
        there = Path(sqlite_store.url.database or "")
        path = tmp_path / "not yet" / "store.db"
        door = Endpoint(House(Store(f"sqlite:///{path}")), origin=Origin())
        assert_fault(ask(door, GOOD), "ES005")
        path.parent.mkdir()
        path.write_bytes(there.read_bytes())
        assert_fault(ask(door, GOOD), "ES002")

    @pytest.mark.parametrize("soap", [{}, {"soap": SOAP_12}])
    def test_an_unexpected_error_is_es005_in_the_version_asked_in(
        self, away: Endpoint, soap: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError(f"secret {PASSWORD}")

        monkeypatch.setattr("soap_service.soap.service._enter", fail)
        answer = ask(away, request("GetVoucherCharges", **soap))
        assert_fault(answer, "ES005")
        assert answer.fault is not None
        assert answer.fault.code == ("Receiver" if soap else "Server")
        assert PASSWORD.encode() not in answer.body

    @pytest.mark.parametrize(
        "where", ["reader.envelope_of", "protocol.VoucherSoap.serialize", "endpoint._read_at_most"]
    )
    def test_an_error_in_the_door_itself_is_es005(
        self, away: Endpoint, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(f"soap_service.soap.{where}", fail)
        assert_fault(ask(away, GOOD), "ES005")

    def test_the_cause_is_logged_and_the_password_is_not(self, away: Endpoint, logged: Logged) -> None:
        ask(away, GOOD)
        failed, call = logged
        assert failed["log_level"] == "error"
        assert "StoreUnavailable" in repr(failed["exc_info"])
        assert (call["operation"], call["shop"], call["fault"]) == ("CreateVouchers", "TestShop", "ES005")
        assert PASSWORD not in repr(logged)


class TestLog:
    def test_a_call_is_one_line_about_who_and_what(self, away: Endpoint, logged: Logged) -> None:
        ask(away, request("CreateVouchers", ShopID=None))
        (seen,) = logged
        assert seen.pop("ms") >= 0
        assert seen == {
            "event": "call",
            "log_level": "info",
            "operation": "CreateVouchers",
            "shop": None,
            "fault": "ES001",
            "field": None,
            "client": "127.0.0.1",
        }

    def test_an_unreadable_request_is_logged_without_its_content(self, away: Endpoint, logged: Logged) -> None:
        ask(away, b"<Password>" + PASSWORD.encode())
        (seen,) = logged
        assert (seen["operation"], seen["shop"], seen["fault"]) == (None, None, "ES015")
        assert PASSWORD not in repr(seen)

    def test_a_long_shop_id_is_cut(self, away: Endpoint, logged: Logged) -> None:
        ask(away, request("CreateVouchers", ShopID="x" * 5000))
        assert logged[-1]["shop"] == "x" * 64

    def test_spyne_says_nothing(self, away: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        for body in (GOOD, b"<broken", request("Unknown")):
            ask(away, body)
        assert not [record for record in caplog.records if record.name.startswith("spyne")]
