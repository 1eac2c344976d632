"""The bridge's options as frozen pydantic models (contract 3). Nothing here opens a file."""

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from zkbridge.config.secrets import read_secret
from zkbridge.config.values import (
    UNIT_SECONDS,
    ConfigError,
    Duration,
    Port,
    at_least,
    duration,
    plain_topic,
    slug,
)
from zkbridge.timezones import zone

_TERMINAL_ID = re.compile(r"[a-z0-9_]{1,32}")
_RESERVED_IDS: Final = frozenset({"bridge", "people"})


class _Options(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )


class TlsOptions(_Options):
    """TLS towards the broker."""

    ca_file: Path | None = Field(None, description="CA certificates, PEM; default: the system's.")
    cert_file: Path | None = Field(None, description="Client certificate, PEM.")
    key_file: Path | None = Field(None, description="Key of the client certificate, PEM.")
    verify: bool = Field(True, description="Check the broker's certificate and name.")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class MqttOptions(_Options):
    """The broker."""

    host: str = Field(min_length=1, description="Name or address of the MQTT broker.")
    port: Port = Field(1883, description="The broker's port; 8883 is usual with TLS.")
    username: str | None = Field(None, description="User name at the broker.")
    password: SecretStr | None = Field(None, description="Password at the broker.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    client_id: str | None = Field(
        None, description="MQTT client id; default: zkbridge- and 8 characters kept in the store."
    )
    base_topic: str = Field("zkbridge", description="First part of every topic.")
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto: 5, and 3.1.1 where the broker refuses 5."
    )
    transport: Literal["tcp", "websockets"] = Field("tcp", description="How to reach the broker.")
    tls: TlsOptions | None = Field(None, description="Encrypt the connection; {} for defaults.")

    @field_validator("base_topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        return plain_topic(value)

    @field_validator("protocol", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return "5" if value == 5 and not isinstance(value, bool) else value  # noqa: PLR2004 - MQTT 5


class HomeAssistantOptions(_Options):
    """What Home Assistant gets."""

    discovery: bool = Field(True, description="Announce every terminal as a device.")
    discovery_prefix: str = Field("homeassistant", description="Home Assistant's discovery prefix.")
    status_topic: str = Field(
        "homeassistant/status", description="Where Home Assistant says online and offline."
    )
    restart_grace: Duration = Field(
        timedelta(seconds=90),
        description="How long fresh events wait for a restarting Home Assistant; 0: not at all.",
    )

    @field_validator("discovery_prefix", "status_topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        return plain_topic(value)


class Backfill(_Options):
    """Which records a terminal's first contact publishes, on the late topics.

    Attributes:
        kind: none, all, or since a moment.
        age: For ``7d``: how old at most.
        day: For ``2026-01-01``: the first day, in the terminal's zone.
    """

    kind: Literal["none", "all", "since"] = "none"
    age: timedelta | None = None
    day: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if isinstance(value, dict):  # the fields themselves, as code writes them
            return value
        if value is None or value in {"none", "all"}:
            return {"kind": value or "none"}
        if isinstance(value, datetime):
            return {"kind": "since", "day": value.date()}
        if isinstance(value, date):
            return {"kind": "since", "day": value}
        if isinstance(value, str):
            if value[-1:] in set(UNIT_SECONDS) - {""}:
                return {"kind": "since", "age": duration(value)}
            with contextlib.suppress(ValueError):
                return {"kind": "since", "day": date.fromisoformat(value)}
        raise ValueError("backfill is none, all, an age like 7d, or a day like 2026-01-01")


class TerminalOptions(_Options):
    """One terminal."""

    name: str = Field(min_length=1, max_length=64, description="What you call it.")
    id: str | None = Field(
        None, description="Part of topics and entity ids; default: made from the name."
    )
    host: str = Field(min_length=1, description="Its address.")
    port: Port = Field(4370, description="Its port.")
    comm_key: SecretStr = Field(SecretStr("0"), description="Comm key of its menu; 0: none.")
    comm_key_file: Path | None = Field(None, description="File that holds the comm key.")
    transport: Literal["auto", "tcp", "udp"] = Field("auto", description="auto: TCP, then UDP.")
    timeout: Annotated[Duration, at_least(0.1)] = Field(
        timedelta(seconds=10), description="How long one frame may take."
    )
    timezone: str | None = Field(None, description="Zone of its clock; default: the host's.")
    encoding: str = Field("utf-8", description="Of names that are not UTF-8, e.g. gbk or cp1256.")
    direction: Literal["state", "in", "out"] = Field(
        "state", description="What a punch means for presence; state: the key pressed decides."
    )
    poll_interval: Annotated[Duration, at_least(1)] = Field(
        timedelta(seconds=30), description="How often it is asked for news."
    )
    live: bool = Field(True, description="Register for realtime events; polls then reconcile.")
    session: Literal["persistent", "per_poll"] = Field(
        "persistent", description="per_poll leaves it free for other software; needs live: false."
    )
    op_log: bool = Field(True, description="Publish its operation log.")
    incremental: Literal["auto", "off"] = Field(
        "auto", description="Read only the tail of a log, with proof."
    )
    backfill: Backfill = Field(
        Backfill(), description="What first contact publishes: none, all, 7d or 2026-01-01."
    )

    @field_validator("id")
    @classmethod
    def _id(cls, value: str | None) -> str | None:
        if value is not None and not _TERMINAL_ID.fullmatch(value):
            raise ValueError("an id is 1 to 32 of a-z, 0-9 and _")
        if value in _RESERVED_IDS:
            raise ValueError("this id is reserved")
        return value

    @field_validator("comm_key", mode="before")
    @classmethod
    def _comm_key(cls, value: object) -> object:
        raw = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if not isinstance(text, str) or not text.isascii() or not text.isdigit():
            raise ValueError("a comm key is a number")
        if int(text) > 0xFFFFFFFF:  # noqa: PLR2004 - the wire has 32 bits for it
            raise ValueError("a comm key has 32 bits at most")
        return text

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        zone(value)
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: str) -> str:
        try:
            text = b"a".decode(value)
        except (LookupError, ValueError) as error:
            raise ValueError(f"unknown encoding {value!r}") from error
        return value if isinstance(text, str) else "utf-8"

    @model_validator(mode="after")
    def _alone(self) -> Self:
        if self.session == "per_poll" and self.live:
            raise ValueError("session: per_poll needs live: false")
        return self

    def comm_key_value(self) -> int:
        """Return the comm key, from its file where one is configured.

        Raises:
            ConfigError: The file cannot be read or holds no number.
        """
        if self.comm_key_file is None:
            return int(self.comm_key.get_secret_value())
        text = read_secret(self.comm_key_file, f"comm_key_file of {self.name}")
        if not text.isascii() or not text.isdigit():
            raise ConfigError([f"comm_key_file of {self.name}: it holds no number"])
        return int(text)


class StoreOptions(_Options):
    """Where events are kept."""

    path: Path = Field(Path("zkbridge.db"), description="SQLite file.")
    retention: Annotated[Duration, at_least(86400)] = Field(
        timedelta(days=90), description="Contents of delivered events older than this are erased."
    )


class PeopleOptions(_Options):
    """What of a person goes out."""

    names: bool = Field(True, description="false: user ids only, nowhere a name.")
    photos: bool = Field(False, description="Portrait of the last user as an image entity.")
    presence: bool = Field(False, description="One device tracker per user.")
    tags: bool = Field(False, description="Each fresh punch also scans a tag zk-<user_id>.")
    include: tuple[str, ...] = Field(
        (), description="User ids that names, photos, presence and tags are for; empty: all."
    )

    @field_validator("include", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(
                str(item) if isinstance(item, int) and not isinstance(item, bool) else item
                for item in value
            )
        return value


class WebOptions(_Options):
    """The page."""

    enabled: bool = Field(True, description="Serve the page, health and metrics.")
    listen: str = Field("127.0.0.1:8099", description="Address and port; port 0: any free one.")
    token: SecretStr | None = Field(None, description="Required when listening beyond loopback.")

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the highest port
            raise ValueError("listen is like 127.0.0.1:8099 or [::1]:8099")
        try:
            ip_address(host.strip("[]"))
        except ValueError as error:
            if host != "localhost":
                raise ValueError("listen needs an IP address or localhost") from error
        return value

    @property
    def host(self) -> str:
        """The address without its port."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.listen.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host == "localhost" or ip_address(self.host).is_loopback


class LogOptions(_Options):
    """What the bridge says."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much.")
    format: Literal["text", "json"] = Field("text", description="For people or for programs.")


class Options(_Options):
    """Everything that can be configured."""

    mqtt: MqttOptions
    home_assistant: HomeAssistantOptions = HomeAssistantOptions()
    terminals: tuple[TerminalOptions, ...] = ()
    store: StoreOptions = StoreOptions()
    late_after: Annotated[Duration, at_least(1)] = Field(
        timedelta(minutes=2), description="Older than this when it is sent, an event is late."
    )
    people: PeopleOptions = PeopleOptions()
    web: WebOptions = WebOptions()
    log: LogOptions = LogOptions()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        taken: dict[str, str] = {}
        for terminal_id, terminal in terminal_ids(self.terminals):
            if terminal_id in taken:
                raise ValueError(
                    f"terminals {taken[terminal_id]!r} and {terminal.name!r} have the same "
                    f"id {terminal_id!r}; give one of them an id of its own"
                )
            taken[terminal_id] = terminal.name
        places: set[tuple[str, int]] = set()
        for terminal in self.terminals:
            if (terminal.host, terminal.port) in places:
                raise ValueError(f"two terminals at {terminal.host}:{terminal.port}")
            places.add((terminal.host, terminal.port))
        if self.web.enabled and not self.web.loopback and self.web.token is None:
            raise ValueError("web.token is required when web.listen is not a loopback address")
        return self


def terminal_ids(
    terminals: tuple[TerminalOptions, ...],
) -> Iterator[tuple[str, TerminalOptions]]:
    """Yield every terminal with the id it gets when the store remembers none."""
    for number, terminal in enumerate(terminals, 1):
        made = terminal.id or slug(terminal.name)
        yield (made if made and made not in _RESERVED_IDS else f"terminal_{number}"), terminal


def since(backfill: Backfill, now: datetime, local_zone: str | None) -> datetime | None:
    """Return the moment from which first contact publishes; None: everything or nothing."""
    if backfill.age is not None:
        return now - backfill.age
    if backfill.day is not None:
        wall = datetime.combine(backfill.day, datetime.min.time())
        return wall.replace(tzinfo=zone(local_zone)).astimezone(UTC)
    return None
