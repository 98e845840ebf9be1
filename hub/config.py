"""Every setting of the hub, once: name, unit, default and what makes it invalid.

Read from the environment with the prefix ``HUB_`` by `load` at start, never at import. The table in the
README is checked against this class by a test. A missing or malformed value stops the start with its name and the
reason: a hub that guesses a setting is worse than one that does not run.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    """Turn a comma-separated string into a list; leave anything else to the validator."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


SomeSettings = TypeVar("SomeSettings", bound="Shared")
CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split)]
SCHEMES = {
    "database_url": ("postgresql://", "postgres://"),
    "redis_url": ("redis://", "rediss://", "unix://"),
    "public_url": ("https://", "http://"),
}
HMAC = {"HS256", "HS384", "HS512"}
RSA = {"RS256", "RS384", "RS512"}
ELLIPTIC = {"ES256", "ES384", "ES512"}


class Shared(BaseSettings):
    """What web nodes and the processes of delivery both need; every field is the variable ``HUB_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="HUB_", frozen=True, extra="ignore", hide_input_in_errors=True)

    # Where everything lives
    database_url: str = Field(min_length=1, description="Postgres, as `postgresql://…`")
    database_pool: int = Field(10, ge=2, le=200, description="Postgres connections of one process")
    statement_cache: bool = Field(True, description="prepared statements; `false` behind pgbouncer in transaction mode")
    redis_url: str = Field(min_length=1, description="Redis, as `redis://`, `rediss://` or `unix://…`")
    redis_prefix: str = Field(
        "hub", pattern=r"^[A-Za-z0-9_-]{1,32}$", description="what the names of channels and keys in Redis begin with"
    )
    public_url: str = Field("http://127.0.0.1:8000", description="address browsers and providers use")
    twilio_auth_token: str | None = Field(None, description="signs Twilio's callbacks, and our requests to it")
    retry_base_seconds: float = Field(5, gt=0, description="ceiling of the first backoff; doubles with each attempt")
    webhook_private: bool = Field(False, description="webhooks may go to private addresses and over http; development")
    idempotency_hours: int = Field(48, ge=24, description="for which an Idempotency-Key is remembered")

    # What it says
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe line logged")
    log_format: Literal["json", "console"] = Field("json", description="how a log line looks")

    @field_validator(*SCHEMES)
    @classmethod
    def _scheme(cls, value: str, info: ValidationInfo) -> str:
        schemes = SCHEMES[info.field_name or ""]
        if not value.startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        return value


class Settings(Shared):
    """The settings of a web node."""

    # Where the node lives
    host: str = Field("127.0.0.1", description="address the node listens on")
    port: int = Field(8000, ge=0, le=65535, description="port the node listens on; 0 takes a free one")

    # Who may speak
    jwt_secret: str | None = Field(None, description="HMAC secret of user tokens, at least 32 bytes")
    jwt_public_key: str | None = Field(None, description="PEM public key of user tokens")
    jwt_jwks_url: str | None = Field(None, description="https address of the issuer's key set")
    jwt_algorithms: CommaSeparated = Field([], description="allowed algorithms, one family; default by key")
    jwt_audience: str = Field("hub", min_length=1, description="`aud` a token must carry")
    jwt_issuer: str = Field("hub", min_length=1, description="`iss` a token must carry")
    jwt_leeway_seconds: float = Field(10, ge=0, le=30, description="tolerated clock difference")
    cookie_name: str | None = Field(None, description="cookie that may carry a user token; off by default")
    allowed_origins: CommaSeparated = Field([], description="exact origins of browsers that may connect")

    # Live connections
    ping_seconds: float = Field(25, gt=0, le=300, description="between two `ping` frames")
    auth_seconds: float = Field(5, gt=0, le=60, description="for the first `auth` frame")
    drain_seconds: float = Field(20, ge=0, le=600, description="over which a stopping node hands clients over")
    position_check_seconds: float = Field(30, gt=0, le=600, description="between two position checks")
    stall_seconds: float = Field(5, gt=0, le=60, description="without progress until a client is cut off")
    lifetime_seconds: float = Field(86_400, gt=0, description="longest life of a connection")
    replay_limit: int = Field(500, ge=1, le=10_000, description="changes replayed before a `resync`")
    backlog_frames: int = Field(256, ge=1, le=100_000, description="frames waiting for one connection")
    backlog_bytes: int = Field(512 * 1024, ge=1024, description="bytes waiting for one connection")
    max_connections: int = Field(20_000, ge=1, description="connections of one node")
    max_connections_per_user: int = Field(20, ge=1, description="connections of one user on one node")
    max_frame_bytes: int = Field(64 * 1024, ge=1024, description="size of a client's WebSocket frame")
    rate_limit_frames: int = Field(50, ge=1, description="client frames a second, with a burst of five seconds' worth")

    lean: bool = Field(True, description="take streams out of ASGI after the handshake; `false` for the portable path")

    # Publishing
    max_body_bytes: int = Field(256 * 1024, ge=1024, description="size of a request body")
    max_payload_bytes: int = Field(16 * 1024, ge=256, description="size of a notification's content, as JSON")
    rate_limit_publish: str = Field("1000/second", description="publishes per API key")
    rate_limit_user: str = Field("1000/second", description="requests per user")

    # What providers call back with (HUB_TWILIO_AUTH_TOKEN, too)
    resend_webhook_secret: str | None = Field(None, description="signs Resend's callbacks, `whsec_…`")

    demo: bool = Field(False, description="serve the demo page at `/`; development only")
    demo_nodes: CommaSeparated = Field([], description="addresses of the nodes the demo page shows")
    demo_state: str | None = Field(None, description="path of the dev.json of the system that the demo page shows")

    @field_validator("rate_limit_publish", "rate_limit_user")
    @classmethod
    def _rate(cls, value: str) -> str:
        parse_rate(value)
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.com")
        return origins

    @model_validator(mode="after")
    def _one_key_source(self) -> Self:
        """Allow exactly one source of keys and one family of algorithms (RFC 8725, section 3.1)."""
        sources = [name for name in ("jwt_secret", "jwt_public_key", "jwt_jwks_url") if getattr(self, name)]
        if len(sources) != 1:
            raise ValueError("set exactly one of HUB_JWT_SECRET, HUB_JWT_PUBLIC_KEY and HUB_JWT_JWKS_URL")
        algorithms = set(self.jwt_algorithms)
        families = [HMAC] if self.jwt_secret else [RSA, ELLIPTIC]
        if algorithms and not any(algorithms <= family for family in families):
            names = " or ".join(", ".join(sorted(family)) for family in families)
            raise ValueError(f"HUB_JWT_ALGORITHMS must be of one family that suits {sources[0].upper()}: {names}")
        return self


def parse_rate(text: str) -> tuple[int, float]:
    """Parse ``1000/second`` into (1000, 1.0 seconds); raise `ValueError` for anything else."""
    count, _, unit = text.partition("/")
    seconds = {"second": 1.0, "minute": 60.0, "hour": 3600.0}.get(unit)
    if seconds is None or not count.isdigit() or int(count) == 0:
        raise ValueError("must look like 1000/second, 600/minute or 50/hour")
    return int(count), seconds


class InvalidSettings(Exception):
    """The environment does not make a valid configuration; the text names each variable."""


def load(**overrides: Any) -> Settings:
    """Read the settings of a web node from the environment; raise `InvalidSettings` naming every bad variable."""
    return read(Settings, **overrides)


def read(kind: type[SomeSettings], **overrides: Any) -> SomeSettings:
    """Read settings of one kind from the environment; raise `InvalidSettings` naming every bad variable."""
    try:
        return kind(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            name = "HUB_" + str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
        raise InvalidSettings("\n".join(lines)) from None
