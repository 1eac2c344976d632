"""Where the broker is, and what a connection to it reports."""

import ssl
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from zkbridge.config import MqttOptions, read_secret
from zkbridge.mqtt.causes import Cause


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for TLS, PEM; without any, the system's CA certificates."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is and who we are to it."""

    host: str
    port: int = 1883
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    transport: Literal["tcp", "websockets"] = "tcp"
    tls: Tls | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """The broker accepted us.

    Attributes:
        protocol: MQTT version, "5" or "3.1.1".
        receive_maximum: How many unacknowledged messages it takes.
        maximum_packet: How long a packet it takes, in bytes; None: any.
    """

    protocol: str
    receive_maximum: int = 65535
    maximum_packet: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """There is no connection, or an attempt failed.

    Attributes:
        was_up: It had been accepted by the broker.
        unacknowledged: Keys of what was sent on it and not acknowledged, in order.
        retry_s: When the next attempt comes.
    """

    cause: Cause
    was_up: bool
    unacknowledged: tuple[Hashable, ...]
    retry_s: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker took, or for good refused, one message.

    Attributes:
        code: MQTT reason code; 0x80 and above: refused.
    """

    key: Hashable
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker answered a subscription.

    Attributes:
        refused: The filters that it refused.
    """

    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """Somebody published something we subscribed to."""

    topic: str
    payload: bytes
    retained: bool


ConnectionEvent = Up | Down | Acknowledged | Subscribed | Received


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when its handshake fails; paho would leave that to the collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's signature
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Read the files and build what a TLS connection needs.

    Raises:
        OSError: A file cannot be read or used.
    """
    for name in filter(None, (tls.ca_file, tls.cert_file, tls.key_file)):
        with Path(name).open("rb"):
            pass  # ssl's own errors do not say which file it is
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.sslsocket_class = _TlsSocket
    if tls.cert_file:
        # Without a password callback OpenSSL would ask for one on the screen.
        context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def broker_of(options: MqttOptions, client_id: str) -> Broker:
    """Say where the broker is, in the words of the connection.

    Raises:
        ConfigError: The password's file cannot be read.
    """
    password = options.password.get_secret_value() if options.password else None
    if options.password_file is not None:
        password = read_secret(options.password_file, "mqtt.password_file")
    tls = None
    if options.tls is not None:
        tls = Tls(
            ca_file=_path(options.tls.ca_file),
            cert_file=_path(options.tls.cert_file),
            key_file=_path(options.tls.key_file),
            verify=options.tls.verify,
        )
    return Broker(
        host=options.host,
        port=options.port,
        client_id=client_id,
        username=options.username,
        password=password,
        protocol=options.protocol,
        transport=options.transport,
        tls=tls,
    )


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
