"""One command sets everything up: what it needs is pinned with hashes, and what it cannot do is one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from ingestion.foundation import PROJECT

LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
SET_UP = PROJECT / ".ci" / "set-up"


def test_every_declared_dependency_is_pinned_with_its_hashes() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *declared["project"]["dependencies"],
        *(name for group in declared["project"]["optional-dependencies"].values() for name in group),
        *(name for group in declared["dependency-groups"].values() for name in group),
    ]
    names = {re.split(r"[\[<>=; ]", entry)[0].lower() for entry in wanted}
    assert {"alembic", "structlog", "uv", "xlsxwriter"} <= names
    pinned = {
        entry.split("==")[0] for entry in re.findall(r"^[a-z0-9-]+==[^\n]*\\\n(?=    --hash=sha256:)", LOCK, re.M)
    }
    assert not names - pinned


def test_uv_is_taken_from_the_lock_with_its_hashes() -> None:
    ask = f"source <(sed -n '/^print_uv/,/^}}/p' {SET_UP}); print_uv"
    done = subprocess.run(["bash", "-c", ask], cwd=PROJECT, capture_output=True, text=True, check=True)
    first, *hashes = done.stdout.splitlines()
    assert re.fullmatch(r"uv==[0-9.]+ \\", first)
    assert hashes and all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes)
    assert not hashes[-1].endswith("\\")


def test_without_a_python_that_fits_it_says_so_and_makes_nothing(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    environment = {"PATH": str(tools), "PYTHON": "/bin/false"}
    done = subprocess.run([SET_UP, tmp_path / "venv"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Neither /bin/false nor python3.12 nor python3.11 is Python 3.11 or 3.12; install")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "venv").exists()


def test_help_lists_every_target_of_the_makefile() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "help"], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    listed = {line.split()[1]: line.split(maxsplit=2)[2] for line in done.stdout.splitlines()}
    assert set(listed) == set(phony.split())
    assert {"demo", "test", "help"} <= set(listed) and all(len(text) > 8 for text in listed.values())
