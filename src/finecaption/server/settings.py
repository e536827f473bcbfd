"""The server's settings: arguments, FINECAPTION_* in the environment, a .env or a TOML file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from finecaption.errors import InputError

PREFIX = "FINECAPTION_"
_HASHED = "sha256:"


def _split(value: Any) -> Any:
    """ "a, b" -> ("a", "b"): lists in the environment are separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Settings of the server. Arguments override the environment, which overrides the file. Times
    are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, protected_namespaces=()
    )
    toml_file: ClassVar[Path | None] = None

    model: str = Field("finecaption-mini", description="Name of a shipped model, or a folder.")
    device: str | None = Field(
        None, description="The device, cpu or cuda; by default cuda if there is one."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 listens on all.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")

    api_keys: Secrets = Field(
        (), description="Keys that /v1 requires, plain or as sha256:HEX; none leaves it open."
    )
    api_keys_file: Path | None = Field(None, description="File with further keys, one per line.")
    hosts: Words = Field(
        (),
        description="Further names of this host by which browsers ask for the studio.",
    )
    cors_origins: Words = Field(
        (), description="Origins that browsers may call from; none turns CORS off."
    )

    queue: int = Field(
        64, ge=1, le=100_000, description="Requests accepted at a time; 429 beyond it."
    )
    batch: int = Field(
        16, ge=1, le=1024, description="Requests decoded together; 1 turns batching off."
    )
    batch_wait: float = Field(
        0.005, ge=0, le=1, description="Seconds that an idle worker waits for more requests."
    )
    streams: int = Field(8, ge=1, le=1024, description="Streams written at a time.")
    cached_pictures: int = Field(
        16,
        ge=0,
        le=10_000,
        description="Encoded images kept for further questions; 0 turns the cache off.",
    )

    timeout: float = Field(
        60.0, gt=0, le=86_400, description="Seconds until a request is answered; then 504."
    )
    header_timeout: float = Field(
        10.0, gt=0, le=3600, description="Seconds for a request's headers; then 408."
    )
    body_timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds for a request's body; then 408."
    )
    keep_alive: int = Field(
        5, ge=1, le=3600, description="Seconds that idle connections stay open."
    )
    grace: int = Field(
        30, ge=0, le=3600, description="Seconds for running requests when the server stops."
    )
    connections: int = Field(
        1024, ge=1, le=1_000_000, description="Connections open at a time; 503 beyond it."
    )

    max_body: int = Field(
        20_000_000, ge=1024, description="Maximum size of a request in bytes; 413 beyond it."
    )
    max_pixels: int = Field(
        25_000_000,
        ge=1,
        le=100_000_000,
        description="Maximum pixels of an image, checked before it is decoded.",
    )
    max_held_bytes: int = Field(
        1_200_000_000,
        ge=1,
        description="Maximum bytes of all requests together: bodies, JSON, images, masks and "
        "answers; 429 beyond it. At least as many as max_body and max_pixels need.",
    )
    max_regions: int = Field(64, ge=1, le=100_000, description="Maximum regions per call.")
    max_answers: int = Field(512, ge=1, le=1_000_000, description="Maximum answers per call.")
    max_points: int = Field(64, ge=1, le=10_000, description="Maximum clicks per region.")
    max_tokens: int = Field(512, ge=1, le=1_000_000, description="Maximum tokens per answer.")

    allow_urls: bool = Field(False, description="Whether to fetch images from web addresses.")
    url_hosts: Words = Field(
        (), description="The only hosts to fetch from; none allows all public hosts."
    )
    url_ports: tuple[int, ...] = Field((80, 443), description="Ports that may be fetched from.")
    url_timeout: float = Field(
        10.0, gt=0, le=600, description="Seconds for a fetch, redirects included."
    )
    url_redirects: int = Field(3, ge=0, le=20, description="Maximum number of redirects.")

    metrics: bool = Field(True, description="Whether to serve /metrics.")
    docs: bool = Field(True, description="Whether to serve /docs and /openapi.json.")
    log_level: str = Field(
        "info",
        pattern="^(critical|error|warning|info|debug)$",
        description="Log level: critical, error, warning, info or debug.",
    )

    @property
    def held_bytes(self) -> int:
        """`max_held_bytes`, or what one request of `max_body` and `max_pixels` needs."""
        return max(self.max_held_bytes, 3 * self.max_body + 4 * self.max_pixels)

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            _digest(key.get_secret_value(), "api_keys")
        return keys

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (init_settings, env_settings, dotenv_settings)
        if cls.toml_file is None:
            return sources
        return (*sources, TomlConfigSettingsSource(settings_cls, cls.toml_file))

    def key_digests(self) -> tuple[bytes, ...]:
        """SHA-256 of every key, of `api_keys` and `api_keys_file`; empty: no key is asked for.

        Raises:
            InputError: the file cannot be read, holds no key, or a broken hash.
        """
        found = [_digest(key.get_secret_value(), "api_keys") for key in self.api_keys]
        if self.api_keys_file is not None:
            field = f"api_keys_file {self.api_keys_file}"
            try:
                lines = self.api_keys_file.read_text("utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{field}: cannot be read ({error})") from error
            keys = [line.strip() for line in lines if line.strip() and line.strip()[0] != "#"]
            if not keys:  # an empty file must not open the server to all
                raise InputError(f"{field}: holds no key; write one a line")
            found += [_digest(key, field) for key in keys]
        return tuple(found)


def _digest(key: str, field: str) -> bytes:
    if key.startswith(_HASHED):
        try:
            digest = bytes.fromhex(key.removeprefix(_HASHED))
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise InputError(
                f"{field}: after sha256: must come the 64 hex digits of the key's hash"
            )
        return digest
    if len(key) < 8:
        raise InputError(f"{field}: a key is shorter than 8 characters; take a longer one")
    return hashlib.sha256(key.encode()).digest()


def load_settings(
    file: str | os.PathLike[str] | None = None, given: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a file, the environment and arguments, each overriding the one before.

    Args:
        file: TOML with the names of `Settings`, or `.env` lines (FINECAPTION_PORT=8000).
        given: arguments; None values count as not given.

    Raises:
        InputError: the file cannot be read, or a setting is unknown or out of range, by name.
    """
    arguments = {name: value for name, value in (given or {}).items() if value is not None}
    kind: type[Settings] = Settings
    extra: dict[str, Any] = {}
    if file is not None:
        path = Path(file)
        if not path.is_file():
            raise InputError(f"--config {path}: no such file")
        if path.suffix == ".toml":
            kind = type("Settings", (Settings,), {"toml_file": path, "__module__": __name__})
        elif path.suffix == ".env" or path.name == ".env":
            extra["_env_file"] = path
        else:
            raise InputError(f"--config {path}: must end in .toml or .env")
    try:
        return kind(**extra, **arguments)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        known = ", ".join(Settings.model_fields)
        hint = f"; the settings are {known}" if first["type"] == "extra_forbidden" else ""
        raise InputError(f"{where}: {first['msg']} (setting){hint}") from error
    except InputError:
        raise
    except (OSError, ValueError) as error:  # TOML and .env readers have errors of their own
        raise InputError(f"settings: cannot be read ({error})") from error
