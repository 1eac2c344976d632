"""A real mosquitto on a free port, and a subscriber that shares no code with the bridge."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MOSQUITTO: Final = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
_START_S: Final = 20.0


def free_port() -> int:
    """Return a TCP port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker process; it keeps its port over restarts.

    Attributes:
        port: Of its plain listener, or whatever ``listener`` makes of it.
        websockets_port: Of a second listener for MQTT over websockets, where asked for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        persistence: bool = False,
        extra: Sequence[str] = (),
        listener: Sequence[str] = (),
        users: dict[str, str] | None = None,
        websockets: bool = False,
    ) -> None:
        """Configure a broker.

        Args:
            folder: Where its files go; created.
            persistence: Retained messages survive stop and kill; slow, as it saves at each change.
            extra: Lines for the configuration as a whole.
            listener: Lines for its listener, such as certificates.
            users: Names and passwords; none: everybody may.
            websockets: Open a second listener.
        """
        if MOSQUITTO is None:
            raise RuntimeError("mosquitto is not installed")
        self.folder = folder
        self.port = free_port()
        self.websockets_port = free_port() if websockets else 0
        self._users = users
        self._options = (persistence, tuple(extra), tuple(listener))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process, for signals."""
        if self._process is None:
            raise RuntimeError("mosquitto is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it takes connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(self._lines()) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [str(MOSQUITTO), "-c", str(config)], stdout=log, stderr=log
            )
        self._await_port()

    def stop(self) -> None:
        """Stop in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop as a power failure would."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> None:
        """Stop, then start on the same port."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _lines(self) -> list[str]:
        persistence, extra, listener = self._options
        lines = ["per_listener_settings false", "log_dest stderr", "set_tcp_nodelay true"]
        if os.geteuid() == 0:
            lines.append("user root")
        if self._users is None:
            lines.append("allow_anonymous true")
        else:
            lines += ["allow_anonymous false", f"password_file {self._password_file()}"]
        if persistence:
            lines += ["persistence true", f"persistence_location {self.folder}/"]
            # A kill must not lose what it acknowledged before: write with every change.
            lines += ["autosave_on_changes true", "autosave_interval 1"]
        lines += [*extra, f"listener {self.port} 127.0.0.1", *listener]
        if self.websockets_port:
            lines += [f"listener {self.websockets_port} 127.0.0.1", "protocol websockets"]
        return lines

    def _password_file(self) -> Path:
        path = self.folder / "passwords"
        path.write_text("".join(f"{name}:{word}\n" for name, word in (self._users or {}).items()))
        path.chmod(0o600)
        program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([program, "-U", str(path)], check=True)  # noqa: S603 - our own command line
        return path

    def _await_port(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"mosquitto ended at once: {self.log}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            threading.Event().wait(0.01)
        raise RuntimeError(f"mosquitto does not listen: {self.log}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        if how is not signal.SIGKILL:
            process.send_signal(signal.SIGCONT)  # a hanging process takes no other signal
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@dataclass(frozen=True, slots=True)
class Record:
    """One message as the subscriber got it.

    Attributes:
        expiry_s: What was left of it; None without one, and with MQTT 3.1.1.
        arrived_s: Monotonic clock.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None
    arrived_s: float


class Subscriber:
    """Records everything it gets, from its own connection."""

    def __init__(
        self,
        port: int,
        *topics: str,
        host: str = "127.0.0.1",
        username: str | None = None,
        password: str | None = None,
        on_record: Callable[[Record], None] | None = None,
        lasting: bool = False,
    ) -> None:
        """Configure a subscriber.

        Args:
            port: The broker's.
            topics: Filters; none: everything.
            host: The broker's.
            username: For the broker.
            password: For the broker.
            on_record: Called for every message, in the subscriber's thread.
            lasting: The broker keeps messages while the subscriber is away.
        """
        self._address = (host, port)
        self._topics = topics or ("#",)
        self._on_record = on_record
        self._records: list[Record] = []
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._lasting = lasting
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"subscriber-{id(self)}" if lasting else "",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        self._client.reconnect_delay_set(1, 1)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Connect and wait until the subscriptions stand."""
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
        if self._lasting:
            session.SessionExpiryInterval = 3600
        self._client.connect(*self._address, clean_start=not self._lasting, properties=session)
        self._client.loop_start()
        self.wait_ready()

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Wait until the subscriptions stand, for example after a restart of the broker."""
        if not self._ready.wait(timeout):
            raise TimeoutError("the subscriber got no connection")

    def expect_restart(self) -> None:
        """Forget that the subscriptions stand; call it before the broker is stopped."""
        self._ready.clear()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(
        self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish as somebody else would, and wait until the broker has it."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(10)

    @property
    def records(self) -> list[Record]:
        """Everything so far."""
        with self._changed:
            return list(self._records)

    def on(self, topic: str) -> list[Record]:
        """Everything so far on one topic, or below it where it ends with ``/#``."""
        if topic.endswith("/#"):
            head = topic[:-1]
            return [r for r in self.records if r.topic.startswith(head) or r.topic == topic[:-2]]
        return [record for record in self.records if record.topic == topic]

    def clear(self) -> None:
        """Forget everything so far."""
        with self._changed:
            self._records.clear()
            self._counts.clear()

    def wait_for(
        self, predicate: Callable[[list[Record]], Any], timeout: float = 20.0
    ) -> list[Record]:
        """Wait until the predicate of all records is true; return them."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._records), timeout):
                shown = "\n".join(str(record)[:300] for record in self._records[-20:])
                raise TimeoutError(f"{len(self._records)} messages, the last:\n{shown}")
            return list(self._records)

    def wait_count(self, topic: str, count: int, timeout: float = 20.0) -> list[Record]:
        """Wait for so many messages on one topic; return those."""
        # Counted as they come: looking through thousands at each one would slow everything down.
        self.wait_for(lambda _: self._counts[topic] >= count, timeout)
        return self.on(topic)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(self, *_: object) -> None:
        self._ready.set()

    def _on_message(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        record = Record(
            message.topic,
            bytes(message.payload),
            message.qos,
            message.retain,
            getattr(message.properties, "MessageExpiryInterval", None),
            time.monotonic(),
        )
        with self._changed:
            self._records.append(record)
            self._counts[record.topic] += 1
            self._changed.notify_all()
        if self._on_record is not None:
            self._on_record(record)
