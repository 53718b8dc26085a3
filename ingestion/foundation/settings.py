"""Where everything lives and which tenant is served: the only reader of the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from ingestion.foundation.declarations import Closed, DeclarationsInvalid, Problem, find_nearest, validate_sound_keys
from ingestion.foundation.files import replace_atomically
from ingestion.foundation.tenant import DECLARED, PROJECT, Files, TenantRules, lay_over, list_files, read_tenant

BUSINESS_TIMEZONE = ZoneInfo("Asia/Shanghai")
PREFIX = "PLATFORM_"
OWNER, NOBODY = "tenant.txt", "the product's own group"


class SettingsInvalid(DeclarationsInvalid):
    """The environment or a tenant names something that cannot be used: one sentence, or all `problems` at once."""

    def __init__(self, reported: str | Iterable[Problem]) -> None:
        super().__init__(() if isinstance(reported, str) else reported)
        if isinstance(reported, str):
            self.args = (reported,)


class Variables(Closed):
    """Every variable whose name begins with `PLATFORM_`; an empty one counts as not set.

    Plain pydantic: pydantic-settings reads the variables that a model names and is silent about all others.
    """

    home: str = "var"
    tenant: str | None = None
    ledger_url: str | None = None
    key_file: str | None = None
    vault_url: str | None = None
    token_algorithm: Literal["sha256", "sm3"] | None = None
    threads: str = str(os.cpu_count() or 2)
    memory_limit: str = "4GB"
    log: Literal["off", "json", "text"] = Field(default="off", description="events on standard error")
    airflow_port: str | None = Field(default=None, description="read by dags/local_airflow")
    schedule: Literal["on", "off"] | None = Field(default=None, description="read by dags/defaults")
    test_data: str | None = Field(default=None, description="read by tests/acceptance")

    @field_validator("threads")
    @classmethod
    def _count_threads(cls, text: str) -> str:
        return _match(text, r"[1-9][0-9]{0,3}", "set a whole number from 1")

    @field_validator("memory_limit")
    @classmethod
    def _limit_memory(cls, text: str) -> str:
        return _match(text, r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", "set a size such as 4GB or 512MB")

    @field_validator("airflow_port")
    @classmethod
    def _know_port(cls, text: str) -> str:
        return _match(text, r"[1-9][0-9]{0,4}", "set a port such as 8080")


VARIABLES = frozenset(PREFIX + name.upper() for name in Variables.model_fields)
# What `quality.warehouse` sets while dbt runs in its process, for the profile and the sources; never the user's.
HANDED_TO_DBT = frozenset({"PLATFORM_WAREHOUSE", "PLATFORM_LAKE"})


@dataclass(frozen=True)
class Settings:
    """Resolved folders and limits of one platform instance (平台实例); immutable for the life of a run.

    `contracts` to `views` are read with `list_files`: the product's and the tenant's together.
    """

    home: Path
    contracts: Files
    models: Files
    seeds: Files
    suites: Files
    sets: Files
    views: Files
    entity: str
    dbt_project: Path
    ledger_url: str
    key_file: Path
    sources: Mapping[str, str]
    threads: int
    memory_limit: str
    token_algorithm: Literal["sha256", "sm3"] | None = None
    vault_url: str | None = None
    month_ends_since: date | None = None
    vault_deposit: bool = True
    vault_purposes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    log: Literal["off", "json", "text"] = "off"
    tenant: Path | None = None

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

    def locate_source(self, source: str) -> Path:
        """Folder in which `source` drops its files; a tenant may point it at an existing archive."""
        return Path(self.sources.get(source, self.landing / source))


def load_settings(environment: Mapping[str, str] | None = None, tenant: Path | None = None) -> Settings:
    """Resolve the settings from the environment's `PLATFORM_…` variables and, if one is named, a tenant's folder.

    The variables are those of `Variables`, the words of `tenant.toml` those of `TenantRules`; `[sources]` names folders
    in which `${NAME}` is an environment variable. A home that has been claimed by one tenant serves no other; a
    `tenant` that is given goes before `PLATFORM_TENANT`, to be read and not to be served.

    Raises:
        SettingsInvalid: with every problem of the variables, of `tenant.toml` and of the tenant's files.
    """
    env = os.environ if environment is None else environment
    problems: list[Problem] = []
    variables = _read_variables(env, problems)
    home = Path(variables.home).resolve()
    served = Path(variables.tenant).resolve() if variables.tenant else None
    if tenant is None:
        problems += _find_stranger(home, served)
    tenant = tenant.resolve() if tenant else served
    declared = read_tenant(tenant, problems) if tenant else None
    files = lay_over(tenant, declared, problems)
    rules = declared or TenantRules()
    sources = _find_sources(rules.sources, files["contracts"], env, str((tenant or Path()) / DECLARED), problems)
    if problems:
        raise SettingsInvalid(dict.fromkeys(problems))
    return Settings(
        home=home,
        contracts=files["contracts"],
        models=files["models"],
        seeds=files["seeds"],
        suites=files["suites"],
        sets=files["sets"],
        views=files["views"],
        entity=rules.entity,
        dbt_project=PROJECT / "dbt_project",
        ledger_url=variables.ledger_url or f"sqlite:///{home / 'ledger.db'}",
        key_file=Path(variables.key_file or home / "keys" / "platform.key"),
        sources=sources,
        threads=int(variables.threads),
        log=variables.log,
        memory_limit=variables.memory_limit,
        token_algorithm=variables.token_algorithm or rules.token_algorithm,
        vault_url=variables.vault_url or f"sqlite:///{home / 'vault' / 'vault.db'}",
        month_ends_since=rules.month_ends_since,
        vault_deposit=rules.vault.deposit,
        vault_purposes=rules.vault.purposes if rules.vault.purposes is not None else _shipped_purposes(),
        tenant=tenant,
    )


def claim_home(settings: Settings) -> None:
    """Note in a new home which tenant it is of, so that no other one is ever served from it. Idempotent."""
    note = settings.home / OWNER
    if not note.exists():
        with replace_atomically(note) as draft:
            draft.write_text(f"{settings.tenant or NOBODY}\n", encoding="utf-8")


def _find_stranger(home: Path, tenant: Path | None) -> Iterator[Problem]:
    note = home / OWNER
    owner = note.read_text(encoding="utf-8").strip() if note.is_file() else str(tenant or NOBODY)
    if owner != str(tenant or NOBODY):
        right = "unset PLATFORM_TENANT" if owner == NOBODY else f"set PLATFORM_TENANT={owner}"
        remedy = f"{right}, or choose another PLATFORM_HOME; where the tenant's folder was moved, remove {note}"
        yield Problem(str(home), "", f"is the home of {owner} and not of {tenant or NOBODY}", remedy)


def _read_variables(env: Mapping[str, str], problems: list[Problem]) -> Variables:
    given = {name: value for name, value in env.items() if name.startswith(PREFIX) and value}
    for name in sorted(HANDED_TO_DBT & set(given)):
        problems.append(Problem(name, "", "is set by the platform alone, when it runs dbt", "unset it"))
    for name in sorted(set(given) - VARIABLES - HANDED_TO_DBT):
        near = find_nearest(name.removeprefix(PREFIX), Variables.model_fields)
        remedy = f"set {PREFIX}{near.upper()}" if near else f"unset it; known are {', '.join(sorted(VARIABLES))}"
        problems.append(Problem(name, "", "is not a variable of the platform", remedy))
    known = {name.removeprefix(PREFIX).lower(): given[name] for name in sorted(VARIABLES & set(given))}
    variables, found = validate_sound_keys(Variables, known, "")
    for each in found:
        remedy = each.remedy.replace("write ", "set ", 1)
        problems.append(Problem(PREFIX + each.key.upper(), "", each.problem, remedy))
    return variables


def _match(text: str, shape: str, remedy: str) -> str:
    if not re.fullmatch(shape, text):
        raise ValueError(f"is {text!r}; {remedy}")
    return text


def _find_sources(
    given: Mapping[str, str], contracts: Files, env: Mapping[str, str], declared: str, problems: list[Problem]
) -> dict[str, str]:
    """Folders of sources that lie elsewhere, with their variables filled in: whole paths of folders that are there."""
    folders: dict[str, str] = {}
    known = [path.stem for path in list_files(contracts, "*.yml").values()] if given else []
    for source, folder in given.items():
        key = f"sources.{source}"
        if source not in known:
            near = find_nearest(source, known)
            remedy = f"write {near}" if near else f"add contracts/{source}.yml or take the entry out"
            problems.append(Problem(declared, key, "is no source of this tenant", remedy))
            continue
        try:
            named = re.sub(r"\$\{([^}]*)\}", lambda found: env[found[1]], folder)
        except KeyError as unset:
            wrong = f"names the variable {unset.args[0]}, which is not set"
            problems.append(Problem(declared, key, wrong, f"set {unset.args[0]}"))
            continue
        folders[source] = named
        if not Path(named).is_absolute():
            remedy = f"write the whole path, such as /data/{source}{', also in the variable' * (named != folder)}"
            problems.append(Problem(declared, key, f"is {named}, which depends on where a command is run", remedy))
        elif not Path(named).is_dir():
            remedy = f"make it, or name the folder in which {source} drops its files"
            problems.append(Problem(declared, key, f"is {named}, which is no folder", remedy))
    return folders


def _shipped_purposes() -> dict[str, tuple[str, ...]]:
    """Purposes for which the vault answers where a tenant says nothing, each with the identifiers that it may see."""
    path = PROJECT / "ingestion" / "vault" / "purposes.toml"
    return {name: tuple(kinds) for name, kinds in tomllib.loads(path.read_text(encoding="utf-8")).items()}
