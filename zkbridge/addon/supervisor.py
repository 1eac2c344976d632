"""Asking Home Assistant's Supervisor for the MQTT service that it knows."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

DEFAULT_SUPERVISOR: Final = "http://supervisor"
_MAX_BYTES: Final = 1 << 16
_TIMEOUT_S: Final = 10.0
_MQTT_PORT: Final = 1883


class ServiceUnavailable(Exception):
    """The Supervisor has no MQTT service to give; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Where the Supervisor answers.

    Attributes:
        url: Its address, ``http://supervisor`` inside an add-on.
        token: What it gave this add-on to show.
    """

    url: str
    token: str = field(repr=False)

    def mqtt(self) -> dict[str, Any]:
        """Ask for the MQTT service.

        Returns:
            Fields of the configuration's ``mqtt``.

        Raises:
            ServiceUnavailable: There is none now.
        """
        status, body = self._get("/services/mqtt")
        if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            raise ServiceUnavailable("the Supervisor refuses to tell the MQTT service")
        if status == http.client.BAD_REQUEST:
            raise ServiceUnavailable(
                "Home Assistant has no MQTT service: install the Mosquitto broker add-on, or"
                " set mqtt_host in this add-on's options"
            )
        if status != http.client.OK:
            raise ServiceUnavailable(f"the Supervisor answers with status {status}; trying on")
        try:
            return _broker(json.loads(body)["data"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServiceUnavailable(
                "the Supervisor's answer about MQTT makes no sense; trying on"
            ) from error

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            place = urlsplit(self.url)
            connection = http.client.HTTPConnection(
                place.hostname or "", place.port, timeout=_TIMEOUT_S
            )
            try:
                connection.request(
                    "GET",
                    place.path.rstrip("/") + path,
                    headers={"Authorization": f"Bearer {self.token}"},
                )
                response = connection.getresponse()
                return response.status, response.read(_MAX_BYTES)
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ServiceUnavailable(
                f"the Supervisor does not answer ({type(error).__name__}); trying on"
            ) from error


def _broker(service: Mapping[str, Any]) -> dict[str, Any]:
    # Its "protocol" can only say 3.1 or 3.1.1, whatever the broker speaks: left out.
    host = service["host"]
    if not isinstance(host, str) or not host:
        raise ValueError("no host")
    broker: dict[str, Any] = {"host": host, "port": int(service.get("port") or _MQTT_PORT)}
    for key in ("username", "password"):
        if service.get(key):
            broker[key] = str(service[key])
    if service.get("ssl"):
        broker["tls"] = {}
    return broker
