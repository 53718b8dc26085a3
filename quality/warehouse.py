"""Build the warehouse (数仓构建): run dbt in this process against the one DuckDB file that only dbt writes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from ingestion.contract import SourceRegistry, load_registry
from ingestion.delivery import list_dates_to_build
from ingestion.foundation import Settings, list_files, load_settings, read_files
from ingestion.foundation.events import report_event
from ingestion.foundation.files import replace_atomically
from ingestion.lake import render_sources, write_manifest
from quality.published import kept_versions
from quality.source import open_warehouse

MESSAGE = 300
OWN_MODELS = "models/platform/"


class WarehouseBuildFailed(Exception):
    """dbt did not finish; the sentence lists the nodes that failed and what each said."""


def build(
    batch_date: date,
    settings: Settings | None = None,
    select: Sequence[str] | None = None,
    as_of_dates: Sequence[date] | None = None,
) -> None:
    """Run `dbt build` for a business date: seeds and models, or those that `select` names.

    The project is resolved first and frozen under `<home>/dbt/project` (see `freeze_project`). Daily figures are
    derived for `batch_date` and every earlier date with a landed delivery, or for those given in `as_of_dates`.
    Idempotent; dbt's handle on the file is closed before this returns.

    Raises:
        ContractInvalid: a contract of the tenant has problems.
        WarehouseBuildFailed: dbt could not start, or a node failed.
        WarehouseUnusable: the file that is there is being written, or no DuckDB file.
    """
    settings = settings or load_settings()
    if not (settings.dbt_project / "dbt_project.yml").is_file():
        raise WarehouseBuildFailed(f"There is no dbt_project.yml in {settings.dbt_project}; run from the repository.")
    if settings.warehouse.exists():
        open_warehouse(settings).close()
    registry = load_registry(settings)
    write_manifest(settings)
    dates = [day.isoformat() for day in as_of_dates or list_dates_to_build(batch_date, settings)]
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    arguments += _variables(registry, batch_date, as_of_dates=dates)
    if select:
        arguments += ["--select", *select]
    report_event("build_started", batch_date=batch_date)
    _invoke(arguments, batch_date, settings, registry)
    report_event("build_ended", batch_date=batch_date)


def compile_models(engine: str, settings: Settings | None = None) -> dict[str, str]:
    """The compiled SQL of every model by name, with the dispatched macros in the form of `engine`."""
    settings = settings or load_settings()
    registry = load_registry(settings)
    write_manifest(settings)
    batch_date = date(2000, 1, 31)
    _invoke(["compile", *_variables(registry, batch_date, compile_for=engine)], batch_date, settings, registry)
    manifest = json.loads((settings.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return {node["name"]: node["compiled_code"] for node in sorted(nodes, key=lambda node: str(node["name"]))}


def run_unit_tests(settings: Settings | None = None) -> None:
    """Run dbt's unit tests of the models, which read the column types of a warehouse that has been built.

    Raises:
        WarehouseBuildFailed: naming the tests that failed.
    """
    settings = settings or load_settings()
    batch_date = date(2000, 1, 31)
    registry = load_registry(settings)
    arguments = ["test", "--select", "test_type:unit", *_variables(registry, batch_date)]
    _invoke(arguments, batch_date, settings, registry)


def write_docs(batch_date: date, version: str, settings: Settings) -> Path | None:
    """Write dbt's documentation of a published version as one page: `<home>/reports/dbt/<version>/index.html`.

    It needs no server. What was documented is not documented again, and documentation of versions that are not kept
    goes. None where the file was not built by dbt in this home.
    """
    page = settings.reports / "dbt" / version / "index.html"
    if page.is_file():
        return page
    if not (settings.home / "dbt" / "target" / "manifest.json").is_file():
        return None
    registry = load_registry(settings)
    _invoke(["docs", "generate", "--static", *_variables(registry, batch_date)], batch_date, settings, registry)
    with replace_atomically(page) as draft:
        shutil.copyfile(settings.home / "dbt" / "target" / "static_index.html", draft)
    kept = {version, *kept_versions("warehouse", settings)}
    for folder in (settings.reports / "dbt").iterdir():
        if folder.is_dir() and folder.name not in kept:
            shutil.rmtree(folder)
    return page


def freeze_project(settings: Settings, registry: SourceRegistry) -> Path:
    """Write the resolved dbt project under home: the platform's own parts, the tenant's models and seeds, the sources.

    Models and seeds are the product's and the tenant's together, as `read_files` gives them; the sources are made from
    the contracts and are nowhere else. A file that has not changed keeps its copy, and one that is gone loses it. dbt
    still parses everything for each business date, because the date is one of its variables. (dbt follows no links
    below a model folder, and an absolute model path makes it overwrite the sources.)
    """
    project = settings.home / "dbt" / "project"
    wanted = {
        name: path.read_bytes()
        for name, path in list_files(settings.dbt_project).items()
        if name.startswith(OWN_MODELS) or not name.startswith(("target/", "logs/", "models/", "seeds/"))
    }
    for kind, files in (("models", settings.models), ("seeds", settings.seeds)):
        wanted |= {f"{kind}/{name}": content for name, content in read_files(files).items()}
    wanted[f"{OWN_MODELS}_sources.yml"] = render_sources(registry).encode()
    frozen = list_files(project)
    for stale in frozen.keys() - wanted.keys():
        frozen[stale].unlink()
    for name, content in wanted.items():
        if name not in frozen or frozen[name].read_bytes() != content:
            with replace_atomically(project / name) as draft:
                draft.write_bytes(content)
    return project


def _variables(registry: SourceRegistry, batch_date: date, **more: object) -> list[str]:
    """The arguments by which dbt learns the business date and what the contracts deliver."""
    datasets = [[dataset.source, dataset.name] for dataset in registry.datasets]
    conformed = registry.list_conformed()
    values = {"batch_date": batch_date.isoformat(), "conformed": conformed, "datasets": datasets, **more}
    return ["--vars", json.dumps(values, sort_keys=True)]


def _invoke(arguments: Sequence[str], batch_date: date, settings: Settings, registry: SourceRegistry) -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    project, work = freeze_project(settings, registry), settings.home / "dbt"
    command = ["--quiet", "--no-send-anonymous-usage-stats", "--partial-parse", "--no-use-colors"]
    command += ["--log-path", str(work / "logs"), "--log-level", "none", "--log-level-file", "info"]
    command += arguments
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target-path", str(work / "target"), "--threads", str(settings.threads)]
    with _environment(settings):
        try:
            outcome = dbtRunner().invoke(command)
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if outcome.success:
        return
    report_event("build_failed", batch_date=batch_date)
    if outcome.exception is not None:
        raise WarehouseBuildFailed(f"dbt could not build {batch_date}: {_one_line(outcome.exception)}.") from None
    results = getattr(outcome.result, "results", [])
    failed = [item for item in results if str(item.status) in ("error", "fail")]
    listed = "; ".join(f"{item.node.name} ({_one_line(item.message)})" for item in failed)
    raise WarehouseBuildFailed(
        f"The warehouse is not built for {batch_date}: {listed or 'dbt gave no reason'};"
        f" see {work / 'logs' / 'dbt.log'}."
    )


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:MESSAGE].rstrip(".")


@contextlib.contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    """Give dbt the platform's folders and limits, forbid it to phone home, and restore the environment."""
    values = {
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PLATFORM_WAREHOUSE": str(settings.warehouse),
        "PLATFORM_LAKE": str(settings.lake),
        "PLATFORM_THREADS": str(settings.threads),
        "PLATFORM_MEMORY_LIMIT": settings.memory_limit,
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
