"""Settings from the environment and `.env`.

A test checks `docs/configuration.md` against this file.
"""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from forex_assets.core.calendar import SANTIAGO, issue_instant
from forex_assets.core.compute.setting import ComputeSetting, TlsFiles, compute_setting
from forex_assets.core.dotenv_file import typed_values
from forex_assets.core.setting_checks import folder_fault, model_fault, postgres_fault, url_fault
from forex_assets.core.store.address import address_fault, is_remote

Value = TypeVar("Value")

PROJECT = Path(__file__).resolve().parents[2]

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Earliest clock; no source has older prices."""


class SettingsError(Exception):
    """An environment value cannot be used; the message names the remedy."""


class _TypedDotEnv(DotEnvSettingsSource):
    """Reads `.env` as typed: `${NAME}` inside a secret is not expanded."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in typed_values(file_path, _secrets(self.settings_cls)).items()}


def _secrets(settings: type[BaseSettings]) -> frozenset[str]:
    """Environment names of the secret fields."""
    return frozenset(
        field.alias or f"FOREX_{name.upper()}"
        for name, field in settings.model_fields.items()
        if field.annotation == SecretStr | None
    )


class Settings(BaseSettings):
    """Settings by field; environment name `FOREX_<FIELD>` or the alias."""

    model_config = SettingsConfigDict(
        env_prefix="FOREX_", env_file=PROJECT / ".env", extra="ignore", frozen=True, populate_by_name=True
    )

    warehouse: Path = Field(PROJECT / "warehouse", description="folder of every table, and of Dagster's own records")
    store: str | None = Field(
        None,
        description="where tables, records and settings are kept: a folder, or s3://, gs:// or az:// with bucket and "
        "folder; none: the warehouse folder",
    )
    configs: Path = Field(PROJECT / "configs", description="folder of chronos_7d.json … chronos_90d.json")
    market: Literal["live", "sample", "auto"] = Field(
        "auto",
        description="live: real sources only; sample: the generated market only; auto: the generated market only "
        "where no source answers and nothing is stored",
    )
    as_of: str | None = Field(
        None, description="the clock: a date means 19:00 in Santiago of that day; nothing later is seen or fetched"
    )
    model: str = Field(
        "auto",
        min_length=1,
        description="auto: the configured Chronos model where it can be had, else the embedded one; embedded; ewma; or "
        "a hub id or a folder",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where Chronos runs")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="number type of Chronos's weights")
    compute_ca: Path | None = Field(None, description="certificates (PEM) of Dask's scheduler and workers")
    compute_cert: Path | None = Field(None, description="this machine's certificate (PEM) for Dask")
    compute_key: Path | None = Field(None, description="its private key (PEM)")
    compute: str = Field(
        "",
        description="where searches and backtests compute. Empty: this process; processes:N: N processes of this "
        "machine; dask:tcp://127.0.0.1:port or dask:tls://host:port: a Dask scheduler's workers",
    )
    yahoo_url: str | None = Field(None, description="another server with Yahoo's chart service, e.g. a proxy")
    fred_url: str | None = Field(None, description="another root of FRED's service")
    bcch_url: str | None = Field(None, description="another server with the Banco Central's service")
    mindicador_url: str | None = Field(None, description="another server with mindicador.cl's service")
    ca_file: Path | None = Field(None, description="certificates (PEM) that price sources, mail and https alerts trust")
    source_deadline_s: float = Field(
        30.0, gt=0, le=3600, allow_inf_nan=False, description="seconds after which a silent source is given up"
    )
    fred_api_key: SecretStr | None = Field(None, alias="FRED_API_KEY", description="FRED's key; without it no FRED")
    bcch_user: SecretStr | None = Field(None, alias="BCCH_USER", description="Banco Central user; without it no BCCh")
    bcch_password: SecretStr | None = Field(None, alias="BCCH_PASSWORD", description="Banco Central password")
    mlflow_tracking_uri: str | None = Field(
        None, alias="MLFLOW_TRACKING_URI", description="MLflow's store; none: sqlite in <warehouse>/mlflow"
    )
    postgres_url: SecretStr | None = Field(
        None,
        alias="DAGSTER_PG_URL",
        description="Postgres for Dagster's records: postgresql+psycopg2://user:password@host:5432/database; none: "
        "sqlite in DAGSTER_HOME",
    )
    backups: Path | None = Field(None, description="folder of archives; none: <warehouse>/backups")
    lang: Literal["en", "es"] = Field("en", description="language of the daily report")
    smtp_host: str | None = Field(None, description="mail server; without it no mail")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="how the connection is secured")
    smtp_user: SecretStr | None = Field(None, description="mail server's user; without it no login")
    smtp_password: SecretStr | None = Field(None, description="mail server's password")
    smtp_ca_file: Path | None = Field(None, description="certificates (PEM) to trust instead of the system's")
    mail_from: str = Field("forex-assets@localhost", description="sender")
    mail_to: str | None = Field(None, description="recipients, commas between; without them no mail")
    webhook_url: SecretStr | None = Field(None, description="address that gets every event as JSON")
    alert_urls: SecretStr | None = Field(None, description="chat and mail services by apprise address, commas between")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes `.env` as typed, also where Dagster has expanded it.

        `dagster dev` loads `.env` into the environment and expands `${NAME}` on the way; such a value gives way.
        """
        file = getattr(dotenv_settings, "env_file", None)
        if isinstance(file, str | Path) and Path(file).is_file() and isinstance(env_settings, EnvSettingsSource):
            typed, expanded = typed_values(Path(file), _secrets(settings_cls)), dotenv_values(file)
            altered = {name.lower() for name in typed if typed[name] != expanded.get(name) == os.environ.get(name)}
            env_settings.env_vars = {k: v for k, v in env_settings.env_vars.items() if k not in altered}
        return init_settings, env_settings, _TypedDotEnv(settings_cls, env_file=file)

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: Any, info: Any) -> Any:
        """Treats an empty value as the default."""
        return cls.model_fields[info.field_name].default if value == "" else value

    @field_validator("warehouse", "configs", "ca_file", "compute_ca", "compute_cert", "compute_key")
    @classmethod
    def _anchor(cls, value: Path | None) -> Path | None:
        """Resolves relative paths against the project folder."""
        return None if value is None else PROJECT / value.expanduser()

    @field_validator("warehouse", "configs", "backups")
    @classmethod
    def _check_folder(cls, value: Path | None) -> Path | None:
        return _sound(value, "" if value is None else folder_fault(PROJECT / value))

    @field_validator("store")
    @classmethod
    def _check_store(cls, value: str | None) -> str | None:
        if value is None:
            return None
        is_folder = "://" not in value
        fault = folder_fault(PROJECT / Path(value).expanduser()) if is_folder else address_fault(value)
        return str(PROJECT / Path(_sound(value, fault)).expanduser()) if is_folder else _sound(value, fault)

    @field_validator("yahoo_url", "fred_url", "bcch_url", "mindicador_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return _sound(value, "" if value is None else url_fault(value))

    @field_validator("postgres_url")
    @classmethod
    def _check_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return _sound(value, "" if value is None else postgres_fault(value.get_secret_value()))

    @field_validator("compute")
    @classmethod
    def _check_compute(cls, value: str, info: ValidationInfo) -> str:
        compute_setting(value, _tls_files(info.data))
        return value

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str) -> str:
        return _sound(value, model_fault(value))

    @field_validator("as_of")
    @classmethod
    def _check_as_of(cls, value: str | None) -> str | None:
        if value is not None and _instant(value) < EARLIEST:
            raise ValueError(f"{value} is before {EARLIEST:%Y-%m-%d}, and no source knows a price of then")
        if value is not None and _instant(value) > datetime.now(UTC):
            today = datetime.now(SANTIAGO).date()
            if value != today.isoformat():
                raise ValueError(f"{value} is in the future; leave it empty for now, or give a past date")
        return value

    @property
    def now(self) -> datetime:
        """Clock in UTC: `FOREX_AS_OF`, else the real time.

        Today's date before 19:00 in Santiago is the real time.
        """
        real = datetime.now(UTC)
        return real if self.as_of is None else min(_instant(self.as_of), real)

    @property
    def compute_setting(self) -> ComputeSetting:
        """Place of computing, parsed from `compute`."""
        return compute_setting(self.compute, _tls_files(vars(self)))

    @property
    def store_address(self) -> str:
        """Address of the store: `FOREX_STORE`, else the warehouse folder."""
        return self.store or str(self.warehouse)

    @property
    def has_remote_store(self) -> bool:
        """Tells whether the store is no folder of this machine."""
        return is_remote(self.store_address)

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance, shared by UI and command line."""
        return PROJECT / (os.environ.get("DAGSTER_HOME") or self.warehouse / "dagster")


def _tls_files(fields: Mapping[str, Any]) -> TlsFiles:
    """Certificates for Dask among the settings' fields."""
    return TlsFiles(fields.get("compute_ca"), fields.get("compute_cert"), fields.get("compute_key"))


def _sound(value: Value, fault: str) -> Value:
    """Returns a value without a fault.

    Raises:
        ValueError: the fault.
    """
    if fault:
        raise ValueError(fault)
    return value


def _instant(text: str) -> datetime:
    """Parses a date (19:00) or ISO time, Santiago by default."""
    try:
        if ":" not in text:
            return issue_instant(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=SANTIAGO)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither a date such as 2023-12-29 nor an ISO time") from None


def load_settings(**overrides: Any) -> Settings:
    """Loads the settings.

    Args:
        overrides: values by field name; None keeps the environment's. A warehouse without a store is its own store.

    Raises:
        SettingsError: one line a wrong value, naming the environment variable.
    """
    if overrides.get("warehouse") and not overrides.get("store"):
        overrides["store"] = ""  # a named warehouse is no other's store
    try:
        settings = Settings(**{k: v for k, v in overrides.items() if v is not None})
        if fault := folder_fault(settings.dagster_home):
            raise SettingsError(f"DAGSTER_HOME={settings.dagster_home}: {fault}")
        return settings
    except (UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{PROJECT / '.env'} cannot be read ({error}); save it as UTF-8 text") from None
    except ValidationError as error:
        lines = []
        for item in error.errors(include_input=False, include_url=False):
            field = str(item["loc"][0])
            name = field if field.isupper() else f"FOREX_{field.upper()}"
            lines.append(f"{name}={_shown(name, overrides.get(field))}: {item['msg'].removeprefix('Value error, ')}")
        raise SettingsError("; ".join(lines)) from None


def unknown_names() -> list[str]:
    """Lists `FOREX_*` environment names without meaning, likely misspelt."""
    known = {f"FOREX_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith("FOREX_") and name not in known)


def _shown(name: str, override: Any) -> str:
    """Returns the wrong value for a message, unless it may be secret."""
    if any(word in name for word in ("KEY", "PASSWORD", "USER", "PG_URL")):
        return "…"
    return str(override if override is not None else os.environ.get(name, "(from .env)"))
