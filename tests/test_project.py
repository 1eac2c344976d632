"""What the repository itself promises: pinned versions, commands, an example that works."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from zkbridge.config import (
    HomeAssistantOptions,
    LogOptions,
    MqttOptions,
    Options,
    PeopleOptions,
    StoreOptions,
    TerminalOptions,
    WebOptions,
    load,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _canonical(requirement: str) -> str:
    name = re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned(project: dict[str, Any]) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_canonical(line) for line in lines if "==" in line}

    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra

    assert {_canonical(each) for each in wanted} <= pinned


def test_constraints_are_versions_and_nothing_else() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)


def test_make_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    promised = {"demo", "test", "check", "bench", "chaos", "fuzz", "docs", "addon", "test-ha"}

    told = subprocess.run(  # noqa: S603 - our own Makefile
        ["make", "-C", str(ROOT), "--no-print-directory"],  # noqa: S607 - whichever make there is
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert promised <= set(re.findall(r"^  make ([a-z-]+) ", told, re.MULTILINE))
    assert promised <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


SECTIONS: dict[str, type[BaseModel]] = {
    "mqtt": MqttOptions,
    "home_assistant": HomeAssistantOptions,
    "terminals": TerminalOptions,
    "store": StoreOptions,
    "people": PeopleOptions,
    "web": WebOptions,
    "log": LogOptions,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_example_names_every_option(section: str) -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    opened = re.sub(r"^(\s*)# ( *)(- )?([a-z_]+:)", r"\1\2\4", text, flags=re.MULTILINE)

    assert re.search(rf"^ *{section}:", opened, re.MULTILINE)
    for key in SECTIONS[section].model_fields:
        assert re.search(rf"^ *(- )?{key}:", opened, re.MULTILINE), key


def test_every_section_of_the_options_is_looked_at() -> None:
    assert set(Options.model_fields) == {*SECTIONS, "late_after"}


def test_example_is_valid_and_stands_for_the_defaults() -> None:
    options = load(ROOT / "config.yaml", {})

    assert options.model_dump(exclude={"mqtt", "terminals"}) == Options.model_validate(
        {"mqtt": {"host": "localhost"}}
    ).model_dump(exclude={"mqtt", "terminals"})
    assert [terminal.name for terminal in options.terminals] == ["Front door"]


def test_example_with_every_comment_opened_is_valid_too(tmp_path: Path) -> None:
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    body = lines[lines.index("mqtt:" if "mqtt:" in lines else lines[0]) :]
    opened = [re.sub(r"^(\s*)# ( *[a-z_]+:)", r"\1\2", line) for line in body]
    path = tmp_path / "config.yaml"
    # What excludes each other cannot be open at once.
    excluded = ("_file:", "tls:", "verify:")
    path.write_text("\n".join(line for line in opened if not any(e in line for e in excluded)))

    options = load(path, {})

    assert options.model_dump(exclude={"terminals"}) == Options.model_validate(
        {"mqtt": {"host": "localhost"}}
    ).model_dump(exclude={"terminals"})


def test_version_is_in_the_changelog_or_unreleased() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert "## [Unreleased]" in changelog


def test_readme_starts_with_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"```sh\n(.*?)```", readme, re.DOTALL)

    assert first is not None
    assert [line.split("#")[0].strip().split()[0] for line in first[1].strip().splitlines()] == [
        "git",
        "make",
    ]
    assert "make demo" in first[1]


def test_pictures_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme):
        assert (ROOT / path).is_file(), path


def test_configuration_in_the_readme_is_valid(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)

    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block, encoding="utf-8")
        load(path, {})
