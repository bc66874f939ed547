"""Every setting is an environment variable with the prefix BATON_; a bad or unknown one stops the start.

Only the composition roots read settings; everything else gets values as arguments.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.limits import DEFAULTS, MOST_PER_MINUTE, Policy

PREFIX = "BATON_"

PerMinute = Annotated[int, Field(ge=1, le=MOST_PER_MINUTE)]


class SettingsError(ValueError):
    """One clear line for the operator; never holds a value."""


class Settings(BaseSettings):
    """The settings of one process. None where another value is derived or the feature is off."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: SecretStr | None = None
    admin_database_url: SecretStr | None = None
    listen_database_url: SecretStr | None = None
    prepared_statements: bool = True
    master_key: SecretStr | None = None
    data_dir: Path = Path(".baton")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    issuer: str | None = None
    public_url: str | None = None
    log_format: Literal["json", "text"] = "json"
    api_processes: Annotated[int, Field(ge=1, le=64)] = 1
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    docs: bool = False
    egress_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    test_clock: bool = False
    tenant_concurrency: Annotated[int, Field(ge=1, le=200)] = 20
    rate_default: PerMinute = DEFAULTS[Policy.DEFAULT]
    rate_write: PerMinute = DEFAULTS[Policy.WRITE]
    rate_bulk: PerMinute = DEFAULTS[Policy.BULK]
    rate_token: PerMinute = DEFAULTS[Policy.TOKEN]
    rate_address: PerMinute = DEFAULTS[Policy.ADDRESS]

    @field_validator("egress_allow", "trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[IPv4Network | IPv6Network, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
        for network in value:
            if not network.prefixlen:
                raise ValueError("not every address is a proxy")
            if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
                raise ValueError("an IPv4 network is written as such")
        return value

    @property
    def quotas(self) -> dict[Policy, int]:
        """Requests a minute of each policy, for clients that have no figure of their own."""
        return {policy: getattr(self, f"rate_{policy.value}") for policy in Policy}

    @property
    def base_url(self) -> str:
        """The public address, without a slash at its end; by default where this process listens."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def token_issuer(self) -> str:
        """The issuer of access tokens, which is their audience too."""
        return (self.issuer or self.base_url).rstrip("/")


def read_settings() -> Settings:
    """Return the settings of the environment. Raises SettingsError for a bad or unknown BATON_ variable."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}")
    try:
        return Settings()
    except ValidationError as error:
        names = sorted({f"{PREFIX}{str(one['loc'][0]).upper()}" for one in error.errors()})
        raise SettingsError(f"bad value of {', '.join(names)}") from None
