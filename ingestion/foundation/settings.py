"""Where everything lives and which tenant is served: the only reader of the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

BUSINESS_TIMEZONE = ZoneInfo("Asia/Shanghai")
PROJECT = Path(__file__).resolve().parents[2]


class SettingsInvalid(Exception):
    """The environment or a tenant file names something that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Resolved folders and limits of one platform instance (平台实例); immutable for the life of a run."""

    home: Path
    contracts: Path
    models: Path
    suites: Path
    sets: Path
    views: Path
    entity: str
    dbt_project: Path
    ledger_url: str
    key_file: Path
    sources: Mapping[str, str]
    threads: int
    memory_limit: str
    token_algorithm: Literal["sha256", "sm3"] | None = None
    vault_url: str | None = None
    vault_deposit: bool = True
    vault_purposes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    log: Literal["off", "json", "text"] = "off"

    @property
    def landing(self) -> Path:
        """What arrived, untouched: `landing/<source>/<yyyymmdd>/`."""
        return self.home / "landing"

    @property
    def lake(self) -> Path:
        """Typed, tokenised, immutable Parquet: one file set a delivery."""
        return self.home / "lake"

    @property
    def quarantine(self) -> Path:
        """Rows that were not landed, with line, column, rule and (encrypted) raw text."""
        return self.home / "quarantine"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that only dbt writes."""
        return self.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """Immutable, versioned table sets with one pointer each."""
        return self.home / "published"

    @property
    def reports(self) -> Path:
        """Pages for people: an index, gate verdicts, dbt docs, differences of re-sends."""
        return self.home / "reports"

    def locate(self, source: str) -> Path:
        """Folder in which `source` drops its files; a tenant may point it at an existing archive."""
        return Path(self.sources.get(source, self.landing / source))


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Resolve the settings from environment variables and, if named, a tenant's `tenant.toml`.

    `PLATFORM_HOME` (default `./var`), `PLATFORM_TENANT` (a folder whose `tenant.toml` may name `contracts`,
    `models`, `suites`, `sets`, `views` relative to itself, `entity`, `token_algorithm`, `[vault]` with `deposit` and
    `purposes`, and `[sources]` folders in which `${NAME}` is an environment variable), `PLATFORM_LEDGER_URL`,
    `PLATFORM_KEY_FILE`, `PLATFORM_TOKEN_ALGORITHM` (`sha256` or `sm3`), `PLATFORM_VAULT_URL`, `PLATFORM_THREADS`,
    `PLATFORM_MEMORY_LIMIT`, `PLATFORM_LOG` (`json` or `text`: events on standard error; `off`).

    Raises:
        SettingsInvalid: the tenant folder or one of its entries does not exist, or a value means nothing.
    """
    env = os.environ if environment is None else environment
    home = Path(env.get("PLATFORM_HOME", "var")).resolve()
    tenant = Path(env["PLATFORM_TENANT"]).resolve() if env.get("PLATFORM_TENANT") else None
    declared = _read_tenant(tenant) if tenant else {}

    def folder(key: str, default: Path) -> Path:
        if tenant is None or key not in declared:
            return default
        path = tenant / str(declared[key])
        if not path.is_dir():
            raise SettingsInvalid(f"{tenant / 'tenant.toml'}: {key} = {declared[key]!r} is not a folder; create it.")
        return path

    return Settings(
        home=home,
        contracts=folder("contracts", PROJECT / "ingestion" / "contracts"),
        models=folder("models", PROJECT / "dbt_project" / "models" / "staging"),
        suites=folder("suites", PROJECT / "quality" / "suites"),
        sets=folder("sets", PROJECT / "quality" / "sets"),
        views=folder("views", PROJECT / "features" / "views"),
        entity=str(declared.get("entity", "customer_id")),
        dbt_project=PROJECT / "dbt_project",
        ledger_url=env.get("PLATFORM_LEDGER_URL", f"sqlite:///{home / 'ledger.db'}"),
        key_file=Path(env.get("PLATFORM_KEY_FILE", home / "keys" / "platform.key")),
        sources={name: _expand(str(path), env) for name, path in dict(declared.get("sources", {})).items()},
        threads=_threads(env.get("PLATFORM_THREADS", str(os.cpu_count() or 2))),
        memory_limit=_memory_limit(env.get("PLATFORM_MEMORY_LIMIT", "4GB")),
        token_algorithm=_token_algorithm(env, declared),
        vault_url=env.get("PLATFORM_VAULT_URL", f"sqlite:///{home / 'vault' / 'vault.db'}"),
        vault_deposit=bool(dict(declared.get("vault", {})).get("deposit", True)),
        vault_purposes=_vault_purposes(declared),
        log=_log(env.get("PLATFORM_LOG") or "off"),
    )


def _threads(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise SettingsInvalid(f"PLATFORM_THREADS is {text!r}; set a whole number from 1.")
    return int(text)


def _log(text: str) -> Literal["off", "json", "text"]:
    match text:
        case "off" | "json" | "text":
            return text
        case other:
            raise SettingsInvalid(f"PLATFORM_LOG is {other!r}; set json, text or off.")


def _memory_limit(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", text):
        raise SettingsInvalid(f"PLATFORM_MEMORY_LIMIT is {text!r}; set a size such as 4GB or 512MB.")
    return text


def _token_algorithm(env: Mapping[str, str], declared: Mapping[str, Any]) -> Literal["sha256", "sm3"] | None:
    """What the newest key has to be for; None leaves it to the key file (a first key is for SHA-256)."""
    match env.get("PLATFORM_TOKEN_ALGORITHM", declared.get("token_algorithm")):
        case None:
            return None
        case "sha256":
            return "sha256"
        case "sm3":
            return "sm3"
        case other:
            raise SettingsInvalid(f"token algorithm {other!r} is unknown; set sha256 or sm3.")


def _vault_purposes(declared: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Purposes for which the vault answers, each with the kinds of identifier that it may see."""
    path = PROJECT / "ingestion" / "vault" / "purposes.toml"
    builtin = tomllib.loads(path.read_text(encoding="utf-8"))
    purposes = dict(declared.get("vault", {})).get("purposes", builtin)
    if not isinstance(purposes, dict) or not all(isinstance(kinds, list) for kinds in purposes.values()):
        raise SettingsInvalid("tenant.toml: [vault.purposes] is not a table of lists; write PURPOSE = [kinds].")
    return {str(purpose): tuple(str(kind) for kind in kinds) for purpose, kinds in purposes.items()}


def _read_tenant(tenant: Path) -> dict[str, Any]:
    path = tenant / "tenant.toml"
    if not path.is_file():
        raise SettingsInvalid(f"{path} is missing; PLATFORM_TENANT must name a folder that holds a tenant.toml.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{path} is not valid TOML ({error}); correct it.") from None


def _expand(path: str, env: Mapping[str, str]) -> str:
    for name, value in env.items():
        path = path.replace("${" + name + "}", value)
    if "${" in path:
        raise SettingsInvalid(f"tenant.toml names {path}, whose variable is not set; set it.")
    return path
