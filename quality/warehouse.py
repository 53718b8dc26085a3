"""Build the warehouse (数仓构建): run dbt in this process against the one DuckDB file that only dbt writes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from ingestion.contract import load_registry
from ingestion.delivery import list_dates_to_build
from ingestion.foundation import Settings, list_files, load_settings
from ingestion.foundation.events import report_event
from ingestion.foundation.files import replace_atomically
from ingestion.lake import Run, write_manifest, write_run
from quality.frozen_project import FrozenProject, freeze_project
from quality.published import list_kept_versions
from quality.source import open_warehouse

MESSAGE = 300
COMPUTED_BY = "computed_by.txt"
SOME_DATE = date(2000, 1, 31)
LAYER_SELECTIONS: Mapping[str, tuple[str, ...]] = {
    "staging": ("path:models/staging", "path:models/platform", "resource_type:seed"),
    "identity": ("+path:models/intermediate/identity",),
    "core": ("+path:models/core",),
    "metrics": ("fqn:*",),
}
"""The layers of a build in their order, each as what dbt selects beyond the layers before it.

What a gate of a layer's name audits is built with that layer, wherever its models lie.
"""


class WarehouseBuildFailed(Exception):
    """dbt did not finish; the sentence lists the nodes that failed and what each said."""


def build(
    batch_date: date,
    settings: Settings | None = None,
    select: Sequence[str] | None = None,
    as_of_dates: Sequence[date] | None = None,
    layers: Sequence[str] | None = None,
    known_at: datetime | None = None,
) -> None:
    """Run `dbt build` for a business date: seeds and models, or those of some `layers`, or those that `select` names.

    The project is resolved first and frozen under `<home>/dbt/project` (see `freeze_project`); the run is written as
    rows of the lake. Daily tables hold the dates of `list_dates_to_build`, or those given in `as_of_dates`. `known_at`,
    with its zone, leaves out what was known later. What daily tables hold is kept as long as the project that computed
    it is the same. Idempotent; dbt's handle on the file is closed before this returns.

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
    project = _describe_run(batch_date, settings, as_of_dates, known_at)
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    note = settings.home / "dbt" / COMPUTED_BY
    if not note.is_file() or note.read_text(encoding="utf-8") != project.digest:
        arguments.append("--full-refresh")
    if select:
        arguments += ["--select", *select]
    elif layers is not None:
        arguments += _select_layers(layers, settings)
    report_event("build_started", batch_date=batch_date)
    _invoke(arguments, batch_date, settings, project)
    if select is None and (layers is None or list(LAYER_SELECTIONS)[-1] in layers):
        with replace_atomically(note) as draft:
            draft.write_text(project.digest, encoding="utf-8")
    report_event("build_ended", batch_date=batch_date)


def _describe_run(
    batch_date: date,
    settings: Settings,
    as_of_dates: Sequence[date] | None = None,
    known_at: datetime | None = None,
) -> FrozenProject:
    """Freeze the project, and write what it will read of the lake and of this run."""
    project = freeze_project(settings, load_registry(settings))
    write_manifest(settings)
    held = list_dates_to_build(batch_date, settings)
    daily = {day: held.get(day, False) for day in as_of_dates or held}
    write_run(Run(batch_date, daily, known_at, project.digest), settings)
    return project


def _select_layers(layers: Sequence[str], settings: Settings) -> list[str]:
    """The arguments that select these neighbouring layers and nothing of those before them."""
    names = list(LAYER_SELECTIONS)
    first = min(names.index(layer) for layer in layers)
    chosen = [selected for layer in layers for selected in _select_layer(layer, settings)]
    before = [selected for layer in names[:first] for selected in _select_layer(layer, settings)]
    return ["--select", *chosen, *(["--exclude", *before] if before else [])]


def _select_layer(layer: str, settings: Settings) -> list[str]:
    audited = list_files(settings.suites, f"{layer}/*.yml")
    return [*LAYER_SELECTIONS[layer], *(f"+{Path(name).stem}" for name in audited)]


def compile_models(engine: str, settings: Settings | None = None) -> dict[str, str]:
    """The compiled SQL of every model by name, with the dispatched macros in the form of `engine`."""
    settings = settings or load_settings()
    project = _describe_run(SOME_DATE, settings)
    _invoke(["compile", "--vars", json.dumps({"compile_for": engine})], SOME_DATE, settings, project)
    manifest = json.loads((settings.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return {node["name"]: node["compiled_code"] for node in sorted(nodes, key=lambda node: str(node["name"]))}


def run_unit_tests(settings: Settings | None = None) -> None:
    """Run dbt's unit tests of the models, which read the column types of a warehouse that has been built.

    Raises:
        WarehouseBuildFailed: naming the tests that failed.
    """
    settings = settings or load_settings()
    project = freeze_project(settings, load_registry(settings))
    _invoke(["test", "--select", "test_type:unit"], SOME_DATE, settings, project)


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
    project = freeze_project(settings, load_registry(settings))
    _invoke(["docs", "generate", "--static"], batch_date, settings, project)
    with replace_atomically(page) as draft:
        shutil.copyfile(settings.home / "dbt" / "target" / "static_index.html", draft)
    kept = {version, *list_kept_versions("warehouse", settings)}
    for folder in (settings.reports / "dbt").iterdir():
        if folder.is_dir() and folder.name not in kept:
            shutil.rmtree(folder)
    return page


def _invoke(arguments: Sequence[str], batch_date: date, settings: Settings, project: FrozenProject) -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    work = settings.home / "dbt"
    command = ["--quiet", "--no-send-anonymous-usage-stats", "--partial-parse", "--no-use-colors"]
    command += ["--log-path", str(work / "logs"), "--log-level", "none", "--log-level-file", "info"]
    command += arguments
    command += ["--project-dir", str(project.folder), "--profiles-dir", str(project.folder)]
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
