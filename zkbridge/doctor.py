"""``check``: what works, what does not, and what to do. Asks; prints nothing."""

import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from zkbridge.asking import reads
from zkbridge.config import MqttOptions, Options, TerminalOptions, terminal_ids
from zkbridge.events import Trouble
from zkbridge.identity import normal_mac, normal_serial
from zkbridge.mqtt.broker import Down, Up, broker_of
from zkbridge.mqtt.causes import Trouble as BrokerTrouble
from zkbridge.mqtt.connection import Connection
from zkbridge.mqtt.messages import Message
from zkbridge.polling.worker import trouble_of
from zkbridge.timezones import to_utc, zone
from zkbridge.troubles import TROUBLES
from zkbridge.zk import Capacity, ZKDevice, ZKError, ZKNotATerminal, ZKUnreachable

_BROKER_PATIENCE_S: Final = 15.0
_AT_ONCE: Final = 16
_WRONG_CLOCK_S: Final = 60
_NEARLY_FULL: Final = 90.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, and what helps."""

    what: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found out about the broker or about one terminal.

    Attributes:
        name: As configured; ``broker``.
        place: host:port.
        reachable: It answered as what it should be.
        protocol: Of the broker: MQTT version.
        clock_drift: Seconds, positive: the terminal is ahead.
        capacity: Counters; None: it told none.
        log_used: Per cent.
        reads: Each kind of read, and whether it works.
    """

    name: str
    place: str
    reachable: bool = False
    protocol: str | None = None
    serial: str | None = None
    mac: str | None = None
    firmware: str | None = None
    clock_drift: float | None = None
    capacity: Capacity | None = None
    log_used: float | None = None
    reads: Mapping[str, bool] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def check_files(options: Options) -> None:
    """Read every file that the configuration names a secret by.

    Raises:
        ConfigError: One cannot be read or holds nothing that can be meant.
    """
    broker_of(options.mqtt, "zkbridge-check")
    for terminal in options.terminals:
        terminal.comm_key_value()


def examine(options: Options) -> list[Finding]:
    """Try the broker and every terminal, all at the same time."""
    with ThreadPoolExecutor(_AT_ONCE, "check") as pool:
        broker = pool.submit(_broker, options.mqtt)
        terminals = pool.map(_terminal, (each for _, each in terminal_ids(options.terminals)))
        return [broker.result(), *_without_twins(list(terminals))]


# The broker


@contextmanager
def visit(options: MqttOptions) -> Iterator[tuple[Connection, Up | Down | None]]:
    """Connect to the broker under a name of our own, so that a running bridge is not disturbed.

    Yields:
        The connection, and what came of the attempt; None: nothing in time.
    """
    broker = broker_of(options, f"zkbridge-check-{secrets.token_hex(4)}")
    will = Message(f"{options.base_topic}/check", b"", 0, retain=False)
    connection = Connection(broker, will)
    connection.open()
    try:
        yield connection, _outcome(connection)
    finally:
        connection.close()


def _outcome(connection: Connection) -> Up | Down | None:
    deadline = time.monotonic() + _BROKER_PATIENCE_S
    last: Down | None = None
    while (left := deadline - time.monotonic()) > 0:
        for event in connection.wait(left):
            if isinstance(event, Up):
                return event
            if isinstance(event, Down):
                # A broker that knows only the older protocol is asked again at once.
                last = event
                if event.retry_s > 0:
                    return event
    return last


def _broker(options: MqttOptions) -> Finding:
    found = Finding(name="broker", place=f"{options.host}:{options.port}")
    with visit(options) as (_, outcome):
        match outcome:
            case Up(protocol=protocol):
                return replace(found, reachable=True, protocol=protocol)
            case Down(cause=cause):
                what, _, cure = cause.text.partition("; ")
                reachable = cause.trouble is BrokerTrouble.PASSWORD
                return replace(found, reachable=reachable, problems=(Problem(what, cure),))
            case None:
                problem = Problem(f"{found.place} does not answer", "check mqtt.host and mqtt.port")
                return replace(found, problems=(problem,))


# A terminal


def _terminal(options: TerminalOptions) -> Finding:
    found = Finding(name=options.name, place=f"{options.host}:{options.port}")
    device = ZKDevice(
        options.host,
        options.port,
        options.comm_key_value(),
        options.timeout.total_seconds(),
        kind=options.transport,
        encoding=options.encoding,
        handshake=False,
    )
    try:
        with device:
            return _examined(device, replace(found, reachable=True), options)
    except ZKError as error:
        answers = not isinstance(error, ZKUnreachable | ZKNotATerminal)
        problem = _problem(trouble_of(error), str(error))
        return replace(found, reachable=answers, problems=(problem,))


def _examined(device: ZKDevice, found: Finding, options: TerminalOptions) -> Finding:
    capacity = device.capacity()
    wall = device.clock()
    drift = None
    if wall is not None:
        moment = to_utc(wall, zone(options.timezone), nearest=datetime.now(UTC))
        drift = round((moment - datetime.now(UTC)).total_seconds(), 1)
    used = None
    if capacity.punches is not None and capacity.punches_capacity:
        used = round(100 * capacity.punches / capacity.punches_capacity, 1)
    found = replace(
        found,
        serial=normal_serial(device.serial),
        mac=normal_mac(device.mac),
        firmware=device.firmware or None,
        clock_drift=drift,
        capacity=capacity,
        log_used=used,
    )
    refused = reads(device)
    problems = [
        _problem(trouble_of(error), f"{name}: {error}")
        for name, error in refused.items()
        if error is not None
    ]
    works = {name: error is None for name, error in refused.items()}
    return replace(found, reads=works, problems=(*problems, *_remarks(found)))


def _remarks(found: Finding) -> Iterator[Problem]:
    if found.clock_drift is None or abs(found.clock_drift) > _WRONG_CLOCK_S:
        detail = "it tells no time" if found.clock_drift is None else f"{found.clock_drift:+.0f} s"
        yield _problem(Trouble.CLOCK_WRONG, detail)
    if found.log_used is not None and found.log_used >= _NEARLY_FULL:
        yield Problem(
            f"The punch log is {found.log_used:.0f} % full",
            "Once everything is published, clear it in the terminal's menu: full, it drops its"
            " oldest records or stops recording.",
        )
    if found.serial is None and found.mac is None:
        yield Problem(
            "The terminal tells neither serial number nor MAC",
            "Give it a fixed address: its records are told apart by host and port.",
        )


def _problem(trouble: Trouble, detail: str) -> Problem:
    advice = TROUBLES[trouble]
    return Problem(f"{advice.text} ({detail})", advice.cure)


def _without_twins(found: list[Finding]) -> list[Finding]:
    """Say where two entries of the configuration are the same terminal."""
    first: dict[tuple[str | None, str | None], str] = {}
    told = []
    for each in found:
        twin = first.setdefault((each.serial, each.mac), each.name) if each.serial else each.name
        if twin != each.name:
            problem = _problem(Trouble.DUPLICATE_TERMINAL, f"{twin} and {each.name}")
            told.append(replace(each, problems=(*each.problems, problem)))
        else:
            told.append(each)
    return told
