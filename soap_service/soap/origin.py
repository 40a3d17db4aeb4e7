"""Where a call came from: over TLS or not, under which address, from whom.

`X-Forwarded-…` headers are believed only from configured proxies: a till could
otherwise claim TLS for itself. Source: contract, sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

Network = IPv4Network | IPv6Network
Environ = Mapping[str, Any]


class Origin:
    """Answers for one configuration: `trusted` proxies, and the `public_url` that wins over every guess."""

    def __init__(self, trusted: Sequence[Network] = (), public_url: str | None = None) -> None:
        self._trusted = tuple(trusted)
        self._public_url = public_url.rstrip("/") if public_url else None
        self._is_trusted = lru_cache(maxsize=1024)(self._find_trusted)

    def is_secure(self, environ: Environ) -> bool:
        """Whether the caller used TLS, to us or to a trusted proxy."""
        return self._scheme(environ) == "https"

    def client(self, environ: Environ) -> str:
        """The caller's address; behind trusted proxies the last one that they did not add themselves."""
        peer = str(environ.get("REMOTE_ADDR", ""))
        if not self._is_trusted(peer):
            return peer
        for hop in reversed(str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")):
            address = hop.strip()
            if address and not self._is_trusted(address):
                return address[:64]
        return peer

    def url(self, environ: Environ, path: str) -> str:
        """The service's URL as the caller sees it."""
        if self._public_url is not None:
            return self._public_url
        forwarded = self._forwarded(environ, "HTTP_X_FORWARDED_HOST")
        host = forwarded or environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        return f"{self._scheme(environ)}://{host}{path}"

    def _scheme(self, environ: Environ) -> str:
        return str(self._forwarded(environ, "HTTP_X_FORWARDED_PROTO") or environ["wsgi.url_scheme"]).lower()

    def _forwarded(self, environ: Environ, header: str) -> str | None:
        value = environ.get(header)
        if not value or not self._is_trusted(environ.get("REMOTE_ADDR", "")):
            return None
        return str(value).split(",")[-1].strip() or None

    def _find_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return address == "" and bool(self._trusted)  # a proxy on a Unix socket has no address
        # A socket that listens on IPv6 shows IPv4 peers as ::ffff:192.0.2.1.
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._trusted)
