"""A tenant (租户): a folder that is laid over the product, file by file.

Its folders `contracts/`, `models/` (by layer), `seeds/`, `suites/` (by gate), `sets/` and `views/` add to those of the
product. `tenant.toml` says in one notation, `kind/folder/file`, what becomes of the product's: `without` lists kinds,
folders or files that are no part of this tenant, `replaces` lists files whose place the tenant's own of the same name
take, and `extends` lists seeds to whose rows those of the tenant's own are added (its codes in `seeds/ref_codes.csv`).
A file of the tenant that meets one of the product unannounced is an error, and so is an entry that changes nothing.
`models/platform` and the macros are the platform itself and stay as they are.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from pydantic import Field, StrictBool

from ingestion.foundation.declarations import Closed, Problem, find_nearest, validate_sound_keys

PROJECT = Path(__file__).resolve().parents[2]
DECLARED = "tenant.toml"
ClearKind = Literal[
    "cert_no", "mobile", "bank_card", "person_name", "device_id", "email", "address", "openid", "opaque"
]
LAYERS = ("staging", "intermediate", "core", "customer_360", "metrics", "reconciliation")


@dataclass(frozen=True)
class FileKind:
    """One kind of file that product and tenants share out: where the product keeps it, and what its files look like."""

    product: Path
    shape: str
    described: str


FILE_KINDS = {
    "contracts": FileKind(PROJECT / "ingestion" / "contracts", r"[^/]+\.yml", "contracts/<source>.yml"),
    "models": FileKind(
        PROJECT / "dbt_project" / "models",
        rf"({'|'.join(LAYERS)})/(.+/)?[^/]+\.(sql|yml|md)",
        f"models/<layer>/<model>.sql or .yml, with a layer of {', '.join(LAYERS)}",
    ),
    "seeds": FileKind(PROJECT / "dbt_project" / "seeds", r"(.+/)?[^/]+\.(csv|yml)", "seeds/<seed>.csv or .yml"),
    "suites": FileKind(PROJECT / "quality" / "suites", r"[^/]+/[^/]+\.yml", "suites/<gate>/<table>.yml"),
    "sets": FileKind(PROJECT / "quality" / "sets", r"[^/]+\.yml", "sets/<set>.yml"),
    "views": FileKind(PROJECT / "features" / "views", r"[^/]+\.yml", "views/<view>.yml"),
}


class VaultRules(Closed):
    """`[vault]`: whether clear values are kept, and who may see which."""

    deposit: StrictBool = Field(default=True, description="true or false")
    purposes: dict[str, tuple[ClearKind, ...]] | None = Field(default=None, description="PURPOSE = [kinds]")


class TenantRules(Closed):
    """All that a `tenant.toml` may say."""

    entity: str = Field(default="customer_id", pattern=r"^[a-z][a-z0-9_]*$", description="a column in lower snake")
    token_algorithm: Literal["sha256", "sm3"] | None = Field(default=None, description="sha256 or sm3")
    without: tuple[str, ...] = Field(default=(), description='a list such as ["views", "contracts/bank_a.yml"]')
    replaces: tuple[str, ...] = Field(default=(), description='a list such as ["models/core/dim_customers.sql"]')
    extends: tuple[str, ...] = Field(default=(), description='a list such as ["seeds/ref_codes.csv"]')
    vault: VaultRules = Field(default=VaultRules(), description="a table [vault]")
    month_ends_since: date | None = Field(
        default=None, description="a date: daily tables also hold the month-ends from then on"
    )
    sources: dict[str, str] = Field(default={}, description='SOURCE = "folder"')


@dataclass(frozen=True)
class Overlay:
    """The files of one kind as one tenant sees them; the entries of what is declared are paths below the kind."""

    kind: str
    own: Path | None = None
    without: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    extends: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.own or FILE_KINDS[self.kind].product)

    def list_product(self) -> dict[str, Path]:
        """Files of the product that are part of this tenant, by their path below the kind."""
        found = _list_folder(FILE_KINDS[self.kind].product)
        return {name: path for name, path in found.items() if self._is_of_kind(name) and not self._is_left_out(name)}

    def list_own(self) -> dict[str, Path]:
        """Files of the tenant's own."""
        return _list_folder(self.own) if self.own is not None else {}

    def list_all(self) -> dict[str, Path]:
        """Both together, sorted by name, with the tenant's in the place of what they replace."""
        return dict(sorted({**self.list_product(), **self.list_own()}.items()))

    def read_all(self) -> dict[str, bytes]:
        """What is in them; an extended seed is the product's rows and then the tenant's."""
        contents = {name: path.read_bytes() for name, path in self.list_all().items()}
        product, own = self.list_product(), self.list_own()
        for name in own.keys() & {*self.extends}:
            rows = contents[name].partition(b"\n")[2]
            contents[name] = product[name].read_bytes().rstrip(b"\n") + b"\n" + rows
        return contents

    def find_problems(self, declared: str) -> Iterator[Problem]:
        """Files that nobody reads, and names that product and tenant both give."""
        product, own = self.list_product(), self.list_own()
        stems = {PurePosixPath(name).stem: name for name in product if name.endswith((".sql", ".csv"))}
        for name, path in own.items():
            if not self._is_of_kind(name):
                yield Problem(str(path), "", "is not read", f"lay it at {FILE_KINDS[self.kind].described}")
            elif name in product and name not in {*self.replaces, *self.extends}:
                entry = f"{self.kind}/{name}"
                key = "extends or replaces" if name.endswith(".csv") else "replaces"
                remedy = f'write {key} = ["{entry}"] in {declared}, or rename the file'
                yield Problem(str(path), "", f"has the name of the product's {entry}", remedy)
            elif name not in product and name.endswith((".sql", ".csv")) and path.stem in stems:
                entry = f"{self.kind}/{stems[path.stem]}"
                remedy = f"rename it, or lay it at {entry} and name that in replaces"
                yield Problem(str(path), "", f"has the name of the product's {entry}", remedy)
        for key, names in (("replaces", self.replaces), ("extends", self.extends)):
            for name in names:
                if key == "extends" and not name.endswith(".csv"):
                    continue  # it is no seed, which is another problem
                if name in product and name not in own:
                    reported = f"{self.kind}/{name} {key} nothing, for the tenant has no such file"
                    yield Problem(declared, key, reported, "add the file or take the entry out")
                elif name in product and key == "extends" and _heading(own[name]) != _heading(product[name]):
                    remedy = f"begin it with {_heading(product[name])}"
                    yield Problem(str(own[name]), "", "has not the heading of what it extends", remedy)

    def _is_of_kind(self, name: str) -> bool:
        return re.fullmatch(FILE_KINDS[self.kind].shape, name) is not None

    def _is_left_out(self, name: str) -> bool:
        return any(not entry or name == entry or name.startswith(f"{entry}/") for entry in self.without)


Files: TypeAlias = Path | Overlay


def read_files(where: Files, pattern: str = "**/*") -> dict[str, bytes]:
    """The content of what `list_files` lists."""
    found = list_files(where, pattern)
    contents = where.read_all() if isinstance(where, Overlay) else {}
    return {name: contents[name] if name in contents else path.read_bytes() for name, path in found.items()}


def list_files(where: Files, pattern: str = "**/*") -> dict[str, Path]:
    """Files of a folder, or of one kind as a tenant sees it, by their path below it and in its order."""
    found = where.list_all() if isinstance(where, Overlay) else _list_folder(where)
    shape = re.compile(_translate(pattern))
    return {name: path for name, path in found.items() if shape.fullmatch(name)}


def read_tenant(folder: Path, problems: list[Problem]) -> TenantRules | None:
    """What a tenant's folder declares, or None where it cannot be read; its problems go into `problems`.

    A key with a problem counts as not said.
    """
    path = folder / DECLARED
    if not path.is_file():
        problems.append(
            Problem(str(path), "", "is missing", "PLATFORM_TENANT must name a folder that holds a tenant.toml")
        )
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), "", f"is not valid TOML ({error})", "correct it"))
        return None
    rules, found = validate_sound_keys(TenantRules, content, str(path))
    problems.extend(found)
    return rules


def lay_over(folder: Path | None, rules: TenantRules | None, problems: list[Problem]) -> dict[str, Overlay]:
    """One overlay for every kind; whatever is wrong with the tenant's entries or files goes into `problems`.

    Without rules, the product's files alone.
    """
    if folder is None or rules is None:
        return {kind: Overlay(kind) for kind in FILE_KINDS}
    declared = str(folder / DECLARED)
    without = _split(rules.without, "without", declared, problems)
    replaces = _split(rules.replaces, "replaces", declared, problems)
    extends = _split(rules.extends, "extends", declared, problems)
    overlays = {
        kind: Overlay(kind, folder / kind, tuple(without[kind]), tuple(replaces[kind]), tuple(extends[kind]))
        for kind in FILE_KINDS
    }
    for overlay in overlays.values():
        problems.extend(_find_idle(overlay, declared))
        problems.extend(overlay.find_problems(declared))
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir() and entry.name not in FILE_KINDS and not entry.name.startswith((".", "__")):
            near = find_nearest(entry.name, FILE_KINDS)
            remedy = f"move it out of the tenant, or lay its files in {', '.join(FILE_KINDS)}"
            problem = Problem(
                str(entry), "", "is a folder that nobody reads", f"rename it to {near}" if near else remedy
            )
            problems.append(problem)
    return overlays


def _split(entries: tuple[str, ...], key: str, declared: str, problems: list[Problem]) -> dict[str, list[str]]:
    """Entries by their kind, as paths below it."""
    split: dict[str, list[str]] = {kind: [] for kind in FILE_KINDS}
    for entry in entries:
        kind, _, rest = entry.rstrip("/").partition("/")
        if kind not in split:
            near = find_nearest(kind, FILE_KINDS)
            remedy = (
                f"write {'/'.join(filter(None, (near, rest)))}" if near else f"begin it with {', '.join(FILE_KINDS)}"
            )
            problems.append(Problem(declared, key, f"{entry} begins with no kind of file", remedy))
        else:
            split[kind].append(rest)
    return split


def _find_idle(overlay: Overlay, declared: str) -> Iterator[Problem]:
    """Entries that name nothing of the product, so that they would change nothing."""
    files = [name for name in _list_folder(FILE_KINDS[overlay.kind].product) if overlay._is_of_kind(name)]
    folders = {parent.as_posix() for name in files for parent in PurePosixPath(name).parents} - {"."}
    for key, entries, known in (
        ("without", overlay.without, {*files, *folders, ""}),
        ("replaces", overlay.replaces, {*overlay.list_product()} - {*overlay.extends}),
        ("extends", overlay.extends, {name for name in overlay.list_product() if name.endswith(".csv")}),
    ):
        for entry in entries:
            if entry not in known:
                near = None if entry in files else find_nearest(entry, known)  # it is there, but for another entry
                remedy = f"write {overlay.kind}/{near}" if near else "take the entry out"
                what = {"without": "part", "replaces": "file", "extends": "seed"}[key]
                reported = f"{overlay.kind}/{entry} is no {what} of the product here"
                yield Problem(declared, key, reported, remedy)


def _heading(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return lines.readline().strip()


def _list_folder(folder: Path) -> dict[str, Path]:
    """Files below a folder by relative path, sorted; hidden ones and what Python leaves behind are nobody's."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in names:
            if not name.startswith("."):
                path = Path(place, name)
                found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


def _translate(pattern: str) -> str:
    """A regular expression for a path below a folder: `*` within a part, `**/` for any folders."""
    parts = re.split(r"(\*\*/|\*)", pattern)
    return "".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
