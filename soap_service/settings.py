"""Every setting: one environment variable `CREATEVOUCHERS_<NAME>` each, with its default.

`docs/configuration.md` explains them; a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class FilterOutput(StrEnum):
    """How filters are written into answers; the legacy form is lost."""

    TEXT = "text"
    ELEMENTS = "elements"
    OMIT = "omit"


class LogFormat(StrEnum):
    """Lines for people or for machines."""

    TEXT = "text"
    JSON = "json"


class Settings(BaseSettings):
    """The settings of one process, read from the environment once."""

    model_config = SettingsConfigDict(env_prefix="CREATEVOUCHERS_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8443, ge=1, le=65535, description="port to listen on")
    plain_port: int | None = Field(
        None, ge=1, le=65535, description="another port, without TLS, that answers ES007"
    )
    data_dir: Path = Field(Path("data"), description="directory of the SQLite store and of the demo certificate")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the store; default: SQLite in the data directory"
    )
    tls_cert: Path | None = Field(
        None, description="certificate chain (PEM); default: self-signed in the data directory"
    )
    tls_key: Path | None = Field(None, description="private key (PEM) of the certificate")
    tls: bool = Field(True, description="whether the server speaks TLS itself; false behind a proxy that does")
    require_tls: bool = Field(True, description="refuse plain calls with ES007; false for development only")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="addresses or networks, comma-separated, whose X-Forwarded-… headers are believed"
    )
    public_url: str | None = Field(
        None, description="the service's URL in the served WSDL, when the called one is not right"
    )
    workers: int = Field(2, ge=1, le=64, description="worker processes")
    threads: int = Field(4, ge=1, le=64, description="threads per worker process")
    keepalive: int = Field(75, ge=0, le=3600, description="seconds an idle connection is kept open")
    request_timeout: int = Field(30, ge=1, le=600, description="seconds a client may take to send its request")
    max_body_bytes: int = Field(262_144, ge=4096, le=16_777_216, description="largest request, also after gunzip")
    filter_output: FilterOutput = Field(
        FilterOutput.TEXT, description="filters in answers: text, elements or omit"
    )
    fault_detail: bool = Field(True, description="whether faults about a field name it in <detail>")
    log_format: LogFormat = Field(LogFormat.TEXT, description="log lines as text or json")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="least level logged")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value

    @cached_property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store. May hold a password: never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute() / 'createvouchers.db'}"
