"""Where a call came from: TLS or not, which address, who."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from soap_service.soap.origin import Origin

PROXIES = tuple(ip_network(text) for text in ("127.0.0.1", "10.0.0.0/8", "fd00::/8"))
PATH = "/createvouchers"


def environ(scheme: str = "http", peer: str = "10.1.2.3", **headers: str) -> dict[str, str]:
    base = {"wsgi.url_scheme": scheme, "REMOTE_ADDR": peer, "SERVER_NAME": "inside", "SERVER_PORT": "8080"}
    return base | {f"HTTP_{name}": value for name, value in headers.items()}


class TestIsSecure:
    @pytest.mark.parametrize(
        ("scheme", "peer", "forwarded", "expected"),
        [
            ("https", "203.0.113.9", None, True),
            ("http", "203.0.113.9", None, False),
            ("http", "203.0.113.9", "https", False),
            ("https", "203.0.113.9", "http", True),
            ("http", "10.1.2.3", "https", True),
            ("http", "10.1.2.3", "HTTPS", True),
            ("http", "10.1.2.3", "http", False),
            ("http", "10.1.2.3", None, False),
            ("http", "10.1.2.3", "", False),
            ("http", "10.1.2.3", " ", False),
            ("http", "10.1.2.3", "httpsx", False),
            # The nearest proxy, which is ours, writes last.
            ("http", "10.1.2.3", "https, http", False),
            ("http", "10.1.2.3", "http,https", True),
            # TLS up to here, but not in front of the proxy.
            ("https", "10.1.2.3", "http", False),
            ("https", "10.1.2.3", None, True),
            ("http", "fd00::1", "https", True),
            ("http", "fe80::1", "https", False),
            # How a socket that listens on IPv6 shows IPv4 peers.
            ("http", "::ffff:10.1.2.3", "https", True),
            ("http", "::ffff:203.0.113.9", "https", False),
            ("http", "", "https", True),
            ("http", "nonsense", "https", False),
        ],
    )
    def test_table(self, scheme: str, peer: str, forwarded: str | None, expected: bool) -> None:
        headers = {} if forwarded is None else {"X_FORWARDED_PROTO": forwarded}
        assert Origin(PROXIES).is_secure(environ(scheme, peer, **headers)) is expected

    @pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", ""])
    def test_nobody_is_trusted_unless_configured(self, peer: str) -> None:
        assert not Origin().is_secure(environ("http", peer, X_FORWARDED_PROTO="https"))

    @pytest.mark.parametrize("header", ["X_FORWARDED_SSL", "X_FORWARDED_PROTOCOL", "FRONT_END_HTTPS", "FORWARDED"])
    def test_other_headers_say_nothing(self, header: str) -> None:
        assert not Origin(PROXIES).is_secure(environ(**{header: "on; proto=https"}))


class TestClient:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "expected"),
        [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
            ("10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("10.1.2.3", "6.6.6.6, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
            ("10.1.2.3", "10.9.9.9", "10.1.2.3"),
            ("10.1.2.3", "", "10.1.2.3"),
            ("10.1.2.3", ", ,", "10.1.2.3"),
            ("10.1.2.3", "x" * 500, "x" * 64),
        ],
    )
    def test_table(self, peer: str, forwarded: str, expected: str) -> None:
        assert Origin(PROXIES).client(environ(peer=peer, X_FORWARDED_FOR=forwarded)) == expected


class TestUrl:
    def test_is_the_host_that_was_called(self) -> None:
        assert (
            Origin().url(environ("https", HOST="kasse.example:8443"), PATH) == "https://kasse.example:8443" + PATH
        )

    def test_is_the_server_where_no_host_is_said(self) -> None:
        assert Origin().url(environ("http"), PATH) == "http://inside:8080" + PATH

    def test_is_the_forwarded_one_behind_a_trusted_proxy(self) -> None:
        said = environ(HOST="inside", X_FORWARDED_HOST="shop.example", X_FORWARDED_PROTO="https")
        assert Origin(PROXIES).url(said, PATH) == "https://shop.example" + PATH
        assert Origin().url(said, PATH) == "http://inside" + PATH

    @pytest.mark.parametrize("public", ["https://public.example/soap", "https://public.example/soap/"])
    def test_a_configured_one_wins(self, public: str) -> None:
        said = environ(HOST="inside", X_FORWARDED_HOST="shop.example", X_FORWARDED_PROTO="https")
        assert Origin(PROXIES, public).url(said, PATH) == "https://public.example/soap"
