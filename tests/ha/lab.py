"""A real Home Assistant, driven through the command that ``HALAB`` names.

The command has the subcommands run, stop, dump, automations, state, wait, call and get; each is
given ``--config-dir``.
"""

import json
import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import yaml

from tests.mosquitto import free_port

COMMAND: Final = "HALAB"
BLUEPRINTS: Final = Path(__file__).parents[2] / "blueprints" / "automation" / "zkbridge"
COUNTERS: Final = ("by_event", "by_device", "by_tag", "guarded", "other")
_PATIENCE_S: Final = 40.0


class HomeAssistant:
    """One Home Assistant with MQTT; start after stop is a restart."""

    def __init__(self, folder: Path, broker_port: int, *, zone: str = "UTC") -> None:
        self._command = shlex.split(os.environ[COMMAND])
        self.folder = folder
        self._broker_port = broker_port
        self._http_port = free_port()
        self._zone = zone
        packages = folder / "packages"
        packages.mkdir(parents=True)
        (packages / "counters.yaml").write_text(
            yaml.safe_dump({"counter": {name: {"initial": 0} for name in COUNTERS}})
        )
        shutil.copytree(BLUEPRINTS, folder / "blueprints" / "automation" / "zkbridge")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until its MQTT works."""
        self._run(
            "run",
            *("--broker-port", str(self._broker_port)),
            *("--http-port", str(self._http_port)),
            *("--tz", self._zone),
        )

    def stop(self) -> None:
        """Stop it."""
        self._run("stop")

    def dump(self) -> dict[str, Any]:
        """Everything it knows about MQTT."""
        content = json.loads(self._run("dump"))
        assert isinstance(content, dict)
        return content

    def entities(self) -> dict[str, dict[str, Any]]:
        """Registry entry, with its state under ``state``, by unique id."""
        content = self.dump()
        return {
            entity["unique_id"]: entity | {"state": content["states"].get(entity["entity_id"])}
            for entity in content["entities"]
        }

    def devices(self) -> dict[str, dict[str, Any]]:
        """Devices by their identifier."""
        return {
            identifier: device
            for device in self.dump()["devices"]
            for _, identifier in device["identifiers"]
        }

    def automations(self, *automations: dict[str, Any]) -> dict[str, Any]:
        """Load these automations instead of the former ones; return what became of them."""
        path = self.folder / "wanted.yaml"
        path.write_text(yaml.safe_dump(list(automations)))
        loaded = json.loads(self._run("automations", str(path)))
        assert isinstance(loaded, dict)
        return loaded

    def state(self, entity_id: str) -> dict[str, Any]:
        """One entity's state."""
        content = json.loads(self._run("state", entity_id))
        assert isinstance(content, dict)
        return content

    def value(self, entity_id: str) -> str:
        """One entity's state as text."""
        return str(self.state(entity_id)["state"])

    def picture(self, entity_id: str) -> bytes:
        """What an image entity shows."""
        path = f"/api/image_proxy/{entity_id}"
        done = subprocess.run(  # noqa: S603 - the command that the environment names
            [*self._command, "get", "--config-dir", str(self.folder), path],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return done.stdout

    def call(self, service: str, **data: object) -> None:
        """Call a service."""
        self._run("call", service, json.dumps(data))

    def wait_state(self, entity_id: str, value: str) -> None:
        """Wait until an entity has a state."""
        self._run("wait", entity_id, "--equals", value, "--timeout", str(_PATIENCE_S))

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        end = time.monotonic() + _PATIENCE_S
        while not reached():
            if time.monotonic() > end:
                raise TimeoutError(f"no {what}")
            threading.Event().wait(0.2)

    def complaints(self) -> list[str]:
        """Log records of WARNING and above that are not its own noise about this machine."""
        noise = ("homeassistant.bootstrap", "haffmpeg", "ffmpeg")
        log = (self.folder / "home-assistant.log").read_text(errors="replace")
        records = [
            line
            for line in log.splitlines()
            if any(f" {level} " in line[:60] for level in ("WARNING", "ERROR", "CRITICAL"))
        ]
        return [line for line in records if not any(f"[{name}" in line for name in noise)]

    def _run(self, subcommand: str, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - the command that the environment names
            [*self._command, subcommand, "--config-dir", str(self.folder), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if done.returncode:
            raise RuntimeError(f"{subcommand} {arguments}: {done.stdout}{done.stderr}")
        return done.stdout
