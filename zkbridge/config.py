"""The bridge's options as frozen pydantic models, read from YAML and the environment.

Every wrong field is reported at once, with its path, its value unless it is secret, what is
allowed and the nearest known key (contract 2 and 3). Nothing here opens a socket.
"""

import contextlib
import os
import re
import types
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, Union, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from zkbridge.timezones import zone

ENVIRONMENT_PREFIX: Final = "ZKBRIDGE_"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TERMINAL_ID = re.compile(r"[a-z0-9_]{1,32}")
_RESERVED_IDS = frozenset({"bridge", "people"})
_MAX_FILE_BYTES = 1 << 20


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: One line for every wrong field.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def duration(value: object) -> object:
    """Turn ``30``, ``30s``, ``5m``, ``2h`` or ``7d`` into a timedelta.

    >>> duration("5m")
    datetime.timedelta(seconds=300)
    """
    if isinstance(value, bool):
        raise ValueError("a duration is seconds or like 30s, 5m, 2h, 7d")  # noqa: TRY004 - pydantic wants ValueError
    if isinstance(value, int | float) and value >= 0:
        return timedelta(seconds=value)
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match:
            try:
                return timedelta(seconds=float(match[1]) * _UNIT_SECONDS[match[2]])
            except OverflowError as error:
                raise ValueError("this duration is too long") from error
    if isinstance(value, timedelta):
        return value
    raise ValueError("a duration is seconds or like 30s, 5m, 2h, 7d")


Duration = Annotated[timedelta, BeforeValidator(duration)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _at_least(seconds: float) -> Any:  # noqa: ANN401 - pydantic's field marker has no public type
    return Field(ge=timedelta(seconds=seconds))


def _plain_topic(value: str) -> str:
    if not value or value != value.strip("/") or any(c in value for c in "#+\0\n\r\t "):
        raise ValueError("a topic without wildcards, white space, or / at its ends is needed")
    return value


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
        return _plain_topic(value)

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
        return _plain_topic(value)


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
            if value[-1:] in set(_UNIT_SECONDS) - {""}:
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
    timeout: Annotated[Duration, _at_least(0.1)] = Field(
        timedelta(seconds=10), description="How long one frame may take."
    )
    timezone: str | None = Field(None, description="Zone of its clock; default: the host's.")
    encoding: str = Field("utf-8", description="Of names that are not UTF-8, e.g. gbk or cp1256.")
    direction: Literal["state", "in", "out"] = Field(
        "state", description="What a punch means for presence; state: the key pressed decides."
    )
    poll_interval: Annotated[Duration, _at_least(1)] = Field(
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
    retention: Annotated[Duration, _at_least(86400)] = Field(
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
    late_after: Annotated[Duration, _at_least(1)] = Field(
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


def slug(name: str) -> str:
    """Make an id from a name, transliterated.

    >>> slug("Вход / Front door")
    'vkhod_front_door'
    """
    return re.sub(r"[^a-z0-9]+", "_", ascii_of(name).lower()).strip("_")[:32].strip("_")


def ascii_of(text: str) -> str:
    """Transliterate to ASCII.

    >>> ascii_of("Zoë")
    'Zoe'
    """
    if text.isascii():
        return text
    # Imported here: its tables take 2 MB that most configurations do not need.
    from anyascii import anyascii  # noqa: PLC0415 - see above

    return anyascii(text)


def terminal_ids(
    terminals: tuple[TerminalOptions, ...],
) -> Iterator[tuple[str, TerminalOptions]]:
    """Yield every terminal with the id it gets when the store remembers none."""
    for number, terminal in enumerate(terminals, 1):
        made = terminal.id or slug(terminal.name)
        yield (made if made and made not in _RESERVED_IDS else f"terminal_{number}"), terminal


def read_secret(path: Path, what: str) -> str:
    """Read a one-line secret from a file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(4096).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([f"{what}: cannot read {path}: {reason}"]) from error


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Options:
    """Read a configuration file, and the environment over it.

    Raises:
        ConfigError: With one line for every wrong field.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            [f"cannot read {path}: {error.strerror}; give the file with -c FILE"]
        ) from error
    if len(text) > _MAX_FILE_BYTES:
        raise ConfigError([f"{path} is larger than 1 MiB"])
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([f"{path} is no YAML: {_yaml_fault(error)}"]) from error
    except ValueError as error:
        # PyYAML turns text like 2026-13-45 into a date and lets its ValueError out.
        raise ConfigError([f"{path} holds a value that is none: {error}"]) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError([f"{path} must be a mapping with keys such as mqtt and terminals"])
    return parse(content, environ)


def _yaml_fault(error: yaml.YAMLError) -> str:
    # The mark's snippet could show a secret: say only where it is.
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def parse(content: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Options:
    """Validate options that came from anywhere.

    Raises:
        ConfigError: With one line for every wrong field.
    """
    merged = _with_environment(dict(content), environ or {})
    try:
        return Options.model_validate(merged)
    except ValidationError as error:
        raise ConfigError([_problem(dict(e), merged) for e in error.errors()]) from error


def _with_environment(content: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    problems = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        path = variable[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        model = _model_at(path[:-1])
        if path[0] == "terminals" or model is None or path[-1] not in model.model_fields:
            problems.append(f"{variable}: no such option{_hint(path[-1], model)}")
            continue
        *parents, key = path
        place = content
        for parent in parents:
            inner = place.get(parent)
            place[parent] = dict(inner) if isinstance(inner, dict) else {}
            place = place[parent]
        place[key] = _environment_value(text)
    if problems:
        raise ConfigError(problems)
    return content


def _environment_value(text: str) -> object:
    # Only what cannot be meant as text is taken as YAML: a password 0123 stays what it is.
    if text.lower() in {"null", ""}:
        return None
    return yaml.safe_load(text) if text[:1] in {"[", "{"} else text


def _model_at(path: list[str]) -> type[BaseModel] | None:
    model: type[BaseModel] = Options
    for key in path:
        field = model.model_fields.get(key)
        inner = None if field is None else _inner_model(field.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType, tuple}:
        return next(filter(None, map(_inner_model, get_args(annotation))), None)
    return None


def _problem(error: dict[str, Any], content: Mapping[str, Any]) -> str:
    path = _dotted(error["loc"])
    names = [str(part) for part in error["loc"] if isinstance(part, str)]
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown option{_hint(names[-1], _model_at(names[:-1]))}"
    if error["type"] == "missing":
        return f"{path}: is required"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{path + ': ' if path else ''}{message}{_shown(error['loc'], content)}"


def _dotted(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _shown(loc: tuple[int | str, ...], content: object) -> str:
    if not loc or any(is_secret(part) for part in loc):
        return ""
    for part in loc:
        try:
            content = content[part]  # type: ignore[index]  # any mistake is caught below
        except (KeyError, IndexError, TypeError):
            return ""
    if isinstance(content, dict | list):
        return ""
    return f" (it is {str(content)!r:.80})"


def is_secret(name: object) -> bool:
    """Tell whether an option of that name must never be shown."""
    return isinstance(name, str) and name in {"password", "token", "comm_key"}


def _hint(key: str, model: type[BaseModel] | None) -> str:
    if model is None:
        return ""
    import difflib  # noqa: PLC0415 - of use only when something is wrong

    near = difflib.get_close_matches(key, model.model_fields, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(model.model_fields)}"


def since(backfill: Backfill, now: datetime, local_zone: str | None) -> datetime | None:
    """Return the moment from which first contact publishes; None: everything or nothing."""
    if backfill.age is not None:
        return now - backfill.age
    if backfill.day is not None:
        wall = datetime.combine(backfill.day, datetime.min.time())
        return wall.replace(tzinfo=zone(local_zone)).astimezone(UTC)
    return None
