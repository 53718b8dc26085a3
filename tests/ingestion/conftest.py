"""An empty platform for every test of one party, and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.ingestion.broken import Party, make_party


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return make_party(tmp_path / "home")


def _tool(name: str) -> str | None:
    """A server program, which distributions keep off the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(places[-1]) if places else shutil.which(name)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on a socket in a temporary folder; yields an SQLAlchemy URL."""
    initdb, postgres = _tool("initdb"), _tool("postgres")
    if initdb is None or postgres is None:
        pytest.skip("no PostgreSQL server on this machine; install one to test with a real database")
    folder = Path("/tmp") / f"pg-{os.getpid()}"
    folder.mkdir(mode=0o777)
    account = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    folder.chmod(0o777)
    try:
        setup = [*account, initdb, "-D", str(folder / "data"), "-U", "loan", "-A", "trust", "-E", "UTF8", "--no-locale"]
        subprocess.run(setup, check=True, capture_output=True)
        serve = [*account, postgres, "-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses="]
        process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"postgresql+psycopg://loan@/postgres?host={folder}"
        try:
            _await(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(url)
    for _ in range(300):
        assert process.poll() is None, "the server ended"
        try:
            with engine.connect():
                break
        except sa.exc.OperationalError:
            subprocess.run(["sleep", "0.1"], check=True)
    engine.dispose()
