"""Transport in real life: TLS, plain calls, proxies, the served WSDL, kept connections, and what the log says."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from soap_service.paths import wsdl_file
from tests.support.server import Authority, RunningServer, Served, running_server
from tests.support.soap import SOAP_12, Answer, check_soap, request
from tests.support.wire import Wire
from tests.support.world import PASSWORD, WRONG_PASSWORD, OpenWorld, tally, url_of

CALL = request("GetVoucherChargeInfo", ChargeId="testid3")
WSDL_PATHS = ("/createvouchers?wsdl", "/createvouchers?WSDL", "/createvouchers?wsdl=1", "/createvouchers.wsdl")


@pytest.fixture(scope="module")
def direct(sqlite_served: Served) -> RunningServer:
    """The usual server: TLS by itself, nobody trusted, a second port."""
    return sqlite_served.server


@pytest.fixture(scope="module")
def behind_proxy(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, sqlite_world: OpenWorld
) -> Iterator[RunningServer]:
    """A server that leaves TLS to a proxy on 127.0.0.1, which is trusted."""
    settings = {"tls": False, "trusted_proxies": "::1, 127.0.0.1"}
    directory = tmp_path_factory.mktemp("proxy")
    with (
        sqlite_world() as store,
        running_server(directory, authority, url_of(store), **settings) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def development(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, sqlite_world: OpenWorld
) -> Iterator[RunningServer]:
    """A server without any TLS, for development; with a public URL, other sizes, and a log for machines."""
    settings = {
        "tls": False,
        "require_tls": False,
        "trusted_proxies": "127.0.0.1",
        "public_url": "https://gutscheine.example/soap/",
        "filter_output": "elements",
        "max_body_bytes": 4096,
        "log_format": "json",
    }
    directory = tmp_path_factory.mktemp("development")
    with (
        sqlite_world() as store,
        running_server(directory, authority, url_of(store), **settings) as server,
    ):
        yield server


def assert_works(answer: Answer) -> None:
    check_soap(answer)
    assert answer.fields == {"VoucherCount": "5", "HasTemplate": "false"}


def assert_es007(answer: Answer) -> None:
    check_soap(answer)
    assert (answer.status, answer.fault_code) == (500, "ES007")


def address_in(wsdl: bytes) -> str:
    """The address in a WSDL, which must otherwise be the file byte for byte."""
    address: str = etree.fromstring(wsdl).find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address").get("location")
    assert wsdl.replace(address.encode(), b"https://localhost:8443/createvouchers") == wsdl_file().read_bytes()
    return address


def log_lines(server: RunningServer, holding: str) -> list[str]:
    """The lines of the log that hold a text; waits for the first."""
    deadline = time.monotonic() + 5
    while not (found := [line for line in server.log.splitlines() if holding in line]):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)
    return found


class TestTls:
    def test_a_call(self, direct: RunningServer) -> None:
        assert_works(direct.post(CALL))

    def test_the_certificate_is_checked_by_a_client_that_does_not_know_the_authority(
        self, direct: RunningServer
    ) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            Wire(direct.port, ssl.create_default_context())

    def test_plain_http_on_the_tls_port_is_es007(self, direct: RunningServer) -> None:
        with Wire(direct.port, None) as wire:
            wire.send(direct.message("POST", "/createvouchers", body=CALL))
            assert_es007(wire.read())

    @pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
    @pytest.mark.parametrize("path", ["/createvouchers", "/createvouchers?wsdl", "/"])
    def test_plain_http_on_the_plain_port_is_es007_whatever_is_asked(
        self, direct: RunningServer, method: str, path: str
    ) -> None:
        with direct.connect_plain() as wire:
            wire.send(direct.message(method, path, body=CALL))
            assert_es007(wire.read())

    @pytest.mark.parametrize(
        "headers",
        [["X-Forwarded-Proto: https"], ["X-Forwarded-Ssl: on", "Forwarded: proto=https"]],
        ids=str,
    )
    def test_nobody_can_claim_tls_for_himself(self, direct: RunningServer, headers: list[str]) -> None:
        with direct.connect_plain() as wire:
            wire.send(direct.message("POST", "/createvouchers", *headers, body=CALL))
            assert_es007(wire.read())

    def test_a_plain_call_does_nothing(self, sqlite_served: Served) -> None:
        before = tally(sqlite_served.store)
        with sqlite_served.server.connect_plain() as wire:
            body = request("CreateVouchers", VoucherCount=1, ChargeId="TestCharge")
            wire.send(sqlite_served.server.message("POST", "/createvouchers", body=body))
            assert_es007(wire.read())
        assert tally(sqlite_served.store) == before


class TestBehindAProxy:
    @pytest.mark.parametrize("proto", ["https", "HTTPS", "http, https"])
    def test_tls_at_the_proxy_is_enough(self, behind_proxy: RunningServer, proto: str) -> None:
        assert_works(behind_proxy.post(CALL, f"X-Forwarded-Proto: {proto}"))

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            ["X-Forwarded-Proto: http"],
            ["X-Forwarded-Proto: https, http"],
            ["X-Forwarded-Proto: "],
            ["X-Forwarded-Ssl: on"],
            ["X_Forwarded_Proto: https"],
        ],
        ids=str,
    )
    def test_anything_else_is_es007(self, behind_proxy: RunningServer, headers: list[str]) -> None:
        assert_es007(behind_proxy.post(CALL, *headers))

    def test_wsdl_has_the_forwarded_address(self, behind_proxy: RunningServer) -> None:
        forwarded = ["X-Forwarded-Proto: https", "X-Forwarded-Host: kasse.example"]
        for path in WSDL_PATHS:
            assert address_in(behind_proxy.get(path, *forwarded).body) == "https://kasse.example/createvouchers"

    def test_wsdl_has_the_host_where_none_is_forwarded(self, behind_proxy: RunningServer) -> None:
        said = ["X-Forwarded-Proto: https", "Host: kasse.example:444"]
        assert (
            address_in(behind_proxy.get(WSDL_PATHS[0], *said).body) == "https://kasse.example:444/createvouchers"
        )

    def test_the_caller_in_the_log_is_the_one_before_the_proxy(self, behind_proxy: RunningServer) -> None:
        body = request("GetVoucherChargeInfo", ShopID="vor-dem-proxy")
        behind_proxy.post(body, "X-Forwarded-Proto: https", "X-Forwarded-For: 6.6.6.6, 198.51.100.9")
        assert "198.51.100.9" in log_lines(behind_proxy, "vor-dem-proxy")[0]


class TestDevelopment:
    def test_a_call_without_tls(self, development: RunningServer) -> None:
        assert_works(development.post(CALL))

    def test_the_public_url_wins(self, development: RunningServer) -> None:
        forwarded = ["X-Forwarded-Proto: https", "X-Forwarded-Host: kasse.example"]
        for headers in ([], forwarded):
            assert address_in(development.get(WSDL_PATHS[0], *headers).body) == "https://gutscheine.example/soap"
        assert b"https://gutscheine.example/soap?wsdl" in development.get().body

    def test_settings_reach_the_door(self, development: RunningServer) -> None:
        answer = development.post(request("GetVoucherCodes", ChargeId="ZweierleiBedingungen"))
        check_soap(answer)
        assert answer.texts("VoucherList/VoucherData/CustomerFilter/n")[:2] == ["K 1 & <2>", "Müller€"]
        assert development.post(request("GetVoucherCharges", MsgID="x" * 4096)).fault_code == "ES015"

    def test_the_log_is_json_and_says_who_asked_for_what(self, development: RunningServer) -> None:
        development.post(request("GetVoucherPoolInfo", ShopID="json-zeile", Password=WRONG_PASSWORD))
        (line,) = log_lines(development, "json-zeile")
        said = json.loads(line)
        assert (said["operation"], said["shop"], said["fault"]) == ("GetVoucherPoolInfo", "json-zeile", "ES002")


class TestWsdl:
    @pytest.mark.parametrize("path", WSDL_PATHS)
    def test_the_served_file_is_the_file_but_for_the_address(self, direct: RunningServer, path: str) -> None:
        answer = direct.get(path)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
        assert address_in(answer.body) == direct.url

    def test_each_host_gets_its_own(self, direct: RunningServer) -> None:
        for host in ("a.example", "b.example:8443", "a.example"):
            assert address_in(direct.get(WSDL_PATHS[0], f"Host: {host}").body) == f"https://{host}/createvouchers"

    def test_a_host_that_would_be_markup_is_none(self, direct: RunningServer) -> None:
        answer = direct.get(WSDL_PATHS[0], 'Host: x"/><evil a="&')
        assert answer.status in (200, 400)
        assert not etree.fromstring(answer.body).findall(".//{*}evil")

    def test_forwarded_headers_of_strangers_are_ignored(self, direct: RunningServer) -> None:
        lies = ["X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "Forwarded: host=evil.example"]
        assert address_in(direct.get(WSDL_PATHS[0], *lies).body) == direct.url

    def test_get_is_a_page_for_people(self, direct: RunningServer) -> None:
        answer = direct.get()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert etree.HTML(answer.body.decode()).xpath("//a/@href") == [f"{direct.url}?wsdl"]


class TestConnections:
    def test_one_connection_for_many_calls(self, direct: RunningServer) -> None:
        bad = b"<broken"
        with direct.connect() as wire:
            for body in (CALL, bad, request("GetVoucherCharges", SOAP_12, ChargeType="?"), CALL, CALL):
                wire.send(direct.message("POST", "/createvouchers", body=body))
                answer = wire.read()
                check_soap(answer)
                assert answer.headers["connection"] == "keep-alive"
            assert_works(answer)
            wire.send(direct.message("GET", "/createvouchers?wsdl"))
            assert wire.read().status == 200
            wire.send(direct.message("POST", "/createvouchers", "Connection: close", body=CALL))
            assert_works(wire.read())
            assert wire.at_end()

    def test_calls_sent_without_waiting(self, direct: RunningServer) -> None:
        one = direct.message("POST", "/createvouchers", body=CALL)
        with direct.connect() as wire:
            wire.send(one * 3)
            for _ in range(3):
                assert_works(wire.read())

    def test_a_request_in_small_pieces(self, direct: RunningServer) -> None:
        message = direct.message("POST", "/createvouchers", body=CALL)
        with direct.connect() as wire:
            for start in range(0, len(message), 50):
                wire.send(message[start : start + 50])
            assert_works(wire.read())

    def test_many_callers_at_once(self, served: Served) -> None:
        def work(_: int) -> list[str]:
            with served.server.connect() as wire:
                codes: list[str] = []
                for _ in range(5):
                    body = request("CreateVouchers", VoucherCount=3, ChargeId="TestCharge")
                    wire.send(served.server.message("POST", "/createvouchers", body=body))
                    codes += wire.read().codes
                return codes

        before = tally(served.store)
        with ThreadPoolExecutor(8) as pool:
            codes = [code for made in pool.map(work, range(8)) for code in made]
        assert len(set(codes)) == len(codes) == 120
        after = tally(served.store)
        assert after["vouchers"] == after["counted"] == before["vouchers"] + 120

    @pytest.mark.parametrize("cut", [1, 30, 300])
    def test_a_caller_that_vanishes_harms_nobody(self, served: Served, cut: int) -> None:
        before = tally(served.store)
        body = request("CreateVouchers", VoucherCount=1, ChargeId="TestCharge")
        for _ in range(3):
            with served.server.connect() as wire:
                wire.send(served.server.message("POST", "/createvouchers", body=body)[:-cut])
        assert_works(served.server.post(CALL))
        assert served.server.is_whole()
        assert tally(served.store) == before


class TestRepeatedCalls:
    def test_the_same_key_gets_the_same_answer(self, served: Served) -> None:
        before = tally(served.store)
        body = request("CreateVouchers", VoucherCount=2, ChargeId="TestCharge")
        first, again = (served.server.post(body, "Idempotency-Key: kasse-7/1") for _ in range(2))
        assert first.body == again.body
        assert tally(served.store)["vouchers"] == before["vouchers"] + 2
        other = served.server.post(body.replace(b">2<", b">3<"), "Idempotency-Key: kasse-7/1")
        assert other.fault_code == "ES021"
        assert served.server.post(body, "Idempotency-Key: a b").fault_code == "ES012"


class TestLog:
    @pytest.mark.parametrize("said", [WRONG_PASSWORD, PASSWORD, ""])
    def test_a_call_is_logged_without_its_password(self, direct: RunningServer, said: str) -> None:
        shop = f"shop-{len(said)}"
        direct.post(request("GetVoucherCharges", ShopID=shop, Password=said, MsgID=said, ChargeType=said))
        (line,) = log_lines(direct, shop)
        assert not said or said not in line

    @pytest.mark.parametrize("kind", ["direct", "development"])
    def test_no_line_can_be_forged(self, direct: RunningServer, development: RunningServer, kind: str) -> None:
        server = {"direct": direct, "development": development}[kind]
        server.post(request("GetVoucherCharges", ShopID="a\n2026-01-01 forged [info] all is well"))
        assert not any(line.startswith("2026-01-01 forged") for line in log_lines(server, "forged"))
