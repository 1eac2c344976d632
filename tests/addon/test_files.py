"""The add-on's folder as Home Assistant's store and Supervisor see it."""

import io
import json
import re
import shutil
import struct
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import tools.addon_wheel

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "ha_addon"
# What the Supervisor takes as given; its linter refuses a key that is set to this.
DEFAULTS = {
    "boot": "auto",
    "startup": "application",
    "apparmor": True,
    "ingress_port": 8099,
    "stage": "stable",
    "init": True,
}
# Each of these costs a point of the rating, or is none of our business.
FORBIDDEN = {
    "host_network",
    "host_pid",
    "host_ipc",
    "privileged",
    "full_access",
    "hassio_role",
    "hassio_api",
    "homeassistant_api",
    "docker_api",
    "auth_api",
    "watchdog",
    "build_from",
}


def manifest() -> dict[str, Any]:
    content = yaml.safe_load((ADDON / "config.yaml").read_text())
    assert isinstance(content, dict)
    return content


def version() -> str:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert isinstance(found, str)
    return found


def tracked() -> list[str]:
    git = shutil.which("git")
    assert git
    listing = subprocess.run(  # noqa: S603 - our own command
        [git, "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


def test_the_store_finds_these_configurations_and_each_is_a_mapping() -> None:
    found = {
        name for name in tracked() if re.fullmatch(r"(?:[^.][^/]*/)*config\.(?:ya?ml|json)", name)
    }

    assert found == {"config.yaml", "ha_addon/config.yaml"}
    for name in found:
        assert isinstance(yaml.safe_load((ROOT / name).read_text()), dict), name


def test_the_repository_says_what_it_is() -> None:
    content = yaml.safe_load((ROOT / "repository.yaml").read_text())

    assert set(content) == {"name", "url", "maintainer"}
    assert not (ADDON / "build.yaml").exists()


def test_the_version_is_the_same_everywhere() -> None:
    wheels = [path.name for path in ADDON.glob("*.whl")]
    label = re.search(r'io\.hass\.version="([^"]+)"', (ADDON / "Dockerfile").read_text())
    newest = re.search(r"^## (\S+)", (ADDON / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert manifest()["version"] == version()
    assert wheels == [f"zkbridge-{version()}-py3-none-any.whl"]
    assert label is not None
    assert label[1] == version()
    assert newest is not None
    assert newest[1] == version()


def test_no_key_is_set_to_its_default_or_costs_rating() -> None:
    content = manifest()

    assert not {key for key, value in DEFAULTS.items() if content.get(key) == value}
    assert not FORBIDDEN & set(content)
    assert content["ingress"] is True
    assert content["map"] == [{"type": "ssl"}]
    assert content["services"] == ["mqtt:want"]
    assert content["backup"] == "cold"


# What a scalar of the schema may be, as the Supervisor reads it.
ELEMENT = re.compile(
    r"(?:bool|email|url|port|device(?:\(subsystem=[a-z]+\))?|str(?:\(\d*,\d*\))?"
    r"|password(?:\(\d*,\d*\))?|int(?:\(\d*,\d*\))?|float(?:\([\d.]*,[\d.]*\))?"
    r"|match\(.*\)|list\(.+\))\??"
)


def test_the_schema_is_one_that_the_supervisor_reads() -> None:
    def check(kind: object, depth: int) -> None:
        assert depth <= 2
        if isinstance(kind, dict):
            for inner in kind.values():
                check(inner, depth + 1)
        elif isinstance(kind, list):
            (inner,) = kind
            check(inner, depth)
        else:
            assert isinstance(kind, str)
            assert ELEMENT.fullmatch(kind), kind
            if kind.startswith("match("):
                re.compile(kind.rstrip("?").removeprefix("match(").removesuffix(")"))

    check(manifest()["schema"], 0)
    assert re.fullmatch(r"[a-z0-9_]+", manifest()["slug"])
    assert set(manifest()["arch"]) == {"aarch64", "amd64"}
    assert 10 <= manifest()["timeout"] <= 300


def test_pictures_have_the_wanted_sizes() -> None:
    def size(name: str) -> tuple[int, ...]:
        head = (ADDON / name).read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        return struct.unpack(">II", head[16:24])

    assert size("icon.png") == (128, 128)
    assert size("logo.png") == (250, 100)


def test_the_apparmor_profile_is_one_and_parses() -> None:
    lines = (ADDON / "apparmor.txt").read_text().splitlines()
    parser = shutil.which("apparmor_parser") or shutil.which("apparmor_parser", path="/usr/sbin")
    assert parser, "install apparmor"

    done = subprocess.run(  # noqa: S603 - our own command
        [parser, "-Q", "-K", str(ADDON / "apparmor.txt")],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert len([line for line in lines if line.startswith("profile ")]) == 1


def test_the_same_source_makes_the_same_wheel(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    first = tools.addon_wheel.build(tmp_path / "a")
    second = tools.addon_wheel.build(tmp_path / "b")

    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(io.BytesIO(first.read_bytes())) as wheel:
        names = wheel.namelist()
    assert "zkbridge/__main__.py" in names
    assert not [name for name in names if not name.startswith("zkbridge")]


def install_commands() -> list[list[str]]:
    text = (ADDON / "Dockerfile").read_text().replace("\\\n", " ")
    (run,) = re.findall(r"^RUN (pip install .*)$", text, re.MULTILINE)
    return [part.split() for part in run.split("&&") if part.split()[0] == "pip"]


@pytest.mark.slow
def test_the_images_install_step_works_in_a_clean_environment(tmp_path: Path) -> None:
    # In place of the image's /install, from nothing but the add-on's folder.
    folder = tmp_path / "install"
    folder.mkdir()
    shutil.copy(ADDON / "requirements.txt", folder)
    (wheel,) = ADDON.glob("*.whl")
    shutil.copy(wheel, folder)
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")

    for command in install_commands():
        words = [
            str(folder / wheel.name) if "*" in word else word.replace("/install", str(folder))
            for word in command
        ]
        subprocess.run([python, "-m", *words], check=True, capture_output=True)  # noqa: S603 - the Dockerfile's
    listed = subprocess.run(  # noqa: S603 - our own command
        [python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    told = subprocess.run(  # noqa: S603 - our own command
        [python, "-m", "zkbridge", "--version"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert told.stdout == f"zkbridge {version()}\n"
    installed = {each["name"].lower().replace("_", "-") for each in json.loads(listed.stdout)}
    pinned = set(
        re.findall(r"^([a-z0-9-]+)==", (folder / "requirements.txt").read_text(), re.MULTILINE)
    )
    assert installed - {"pip", "setuptools"} == pinned | {"zkbridge"}
    assert sys.prefix not in told.stdout


def test_every_requirement_is_pinned_as_the_tests_have_it() -> None:
    pins = set(
        re.findall(r"^([a-z0-9-]+==\S+)", (ADDON / "requirements.txt").read_text(), re.MULTILINE)
    )
    constraints = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() + "==" + line.split("==")[1]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }

    assert pins <= constraints
