"""The documentation, built once as ``make docs`` builds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Pages


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Build everything; a warning is an error."""
    built = tmp_path_factory.mktemp("docs")
    done = subprocess.run(  # noqa: S603 - our own command line
        [
            *(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"),
            *("-d", str(built / ".doctrees"), str(DOCS), str(built)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"the documentation does not build:\n{done.stdout}{done.stderr}")
    return Pages(built)


@pytest.fixture(scope="session")
def sources() -> dict[str, str]:
    """What the pages are written in, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return DOCS.parent
