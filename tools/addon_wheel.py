"""Put the package and its pinned requirements into the Home Assistant add-on's folder.

``python tools/addon_wheel.py`` builds the wheel: the same source makes the same bytes. With
``--requirements`` it also writes ``requirements.txt`` anew, from constraints.txt: exact versions,
with the hash of every file that the image or the test of its install step may take.
"""  # noqa: INP001 - a script, in no package

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
ADDON: Final = ROOT / "ha_addon"
# Any fixed moment will do; zip files cannot say one before 1980.
EPOCH: Final = "1577836800"
# Python version and platform tags: first the image's, then those of ordinary Linux.
TARGETS: Final = (
    ("3.13", ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64")),
    ("3.13", ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64")),
    *(
        (python, ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"))
        for python in ("3.11", "3.12", "3.13", "3.14")
    ),
)


def build(destination: Path) -> Path:
    """Build the wheel in a folder that holds none yet, and return where it is."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(destination)]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
    (wheel,) = destination.glob("zkbridge-*.whl")
    return wheel


def hashed_requirements(wheel: Path) -> str:
    """Return every package that the wheel needs, with version and hashes."""
    found: dict[str, set[str]] = {}
    for python, platforms in TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            _download(wheel, python, platforms, Path(folder))
            for file in Path(folder).iterdir():
                name, version = file.name.split("-")[:2]
                if name != "zkbridge":
                    digest = hashlib.sha256(file.read_bytes()).hexdigest()
                    pin = f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"
                    found.setdefault(pin, set()).add(digest)
    lines = ["# Written by tools/addon_wheel.py --requirements, from constraints.txt."]
    for pin, digests in sorted(found.items()):
        lines.append(" \\\n    ".join([pin, *(f"--hash=sha256:{d}" for d in sorted(digests))]))
    return "\n".join(lines) + "\n"


def _download(wheel: Path, python: str, platforms: tuple[str, ...], folder: Path) -> None:
    abi = f"cp{python.replace('.', '')}"
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [word for tag in (abi, "abi3", "none") for word in ("--abi", tag)]
    command += [word for tag in platforms for word in ("--platform", tag)]
    command += ["--constraint", str(ROOT / "constraints.txt"), "--dest", str(folder), str(wheel)]
    subprocess.run(command, check=True)  # noqa: S603 - our own command


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", action="store_true", help="write requirements.txt too")
    wanted = parser.parse_args()
    for old in ADDON.glob("*.whl"):
        old.unlink()
    wheel = build(ADDON)
    if wanted.requirements:
        (ADDON / "requirements.txt").write_text(hashed_requirements(wheel))
    sys.stdout.write(f"{wheel.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
