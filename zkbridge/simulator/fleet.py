"""Several simulated terminals at once, with people who punch: what ``simulate`` and demos run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.listening import ListeningTerminal, Sockets
from zkbridge.simulator.memory import host_clock
from zkbridge.simulator.recording import read_recording
from zkbridge.simulator.records import SimulatedPunch
from zkbridge.simulator.replay import ReplayedTerminal
from zkbridge.simulator.simulated import SimulatedTerminal
from zkbridge.simulator.staff import history, punch_of, staff, usual_state, working_days
from zkbridge.timezones import zone

_LAST_PORT: Final = 65535

OnPunch = Callable[[SimulatedTerminal, SimulatedPunch], None]


class Fleet:
    """Terminals that run in one thread; a context manager that stops them.

    Attributes:
        terminals: All of them.
    """

    def __init__(
        self,
        hub: Hub,
        terminals: Sequence[ListeningTerminal],
        *,
        punch_every_s: float | None = None,
        on_punch: OnPunch | None = None,
        random: Random,
    ) -> None:
        self.terminals = tuple(terminals)
        self._hub = hub
        self._every_s = punch_every_s
        self._on_punch = on_punch
        self._random = random
        self._running = False
        self._last: dict[tuple[int, str], datetime] = {}

    def start(self) -> None:
        """Listen, and let people punch.

        Raises:
            OSError: A port is taken.
        """
        self._hub.start()
        self._running = True
        try:
            for terminal in self.terminals:
                terminal.start()
        except OSError:
            self.stop()
            raise
        if self._every_s:
            self._hub.call_at(time.monotonic() + self._every_s, self._tick)

    def stop(self) -> None:
        """Close every socket and end the thread; a second stop does nothing."""
        if not self._running:
            return
        self._running = False
        for terminal in self.terminals:
            terminal.stop()
        self._hub.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _tick(self) -> None:
        """Somebody punches somewhere; in the hub's thread."""
        if not self._running or not self._every_s:
            return
        self._hub.call_at(time.monotonic() + self._every_s, self._tick)
        self.punch()

    def punch(self) -> SimulatedPunch | None:
        """Let somebody punch at one of the terminals now.

        Nobody punches twice within a second at one terminal: equal records are one punch.

        Returns:
            Who did what; None where nobody can.
        """
        staffed = [one for one in self.terminals if isinstance(one, SimulatedTerminal)]
        for terminal in self._random.sample(staffed, len(staffed)):
            moment = terminal.wall_clock()
            able = [
                person
                for person in terminal.users.values()
                if self._last.get((id(terminal), person.user_id)) != moment
            ]
            if able:
                person = self._random.choice(able)
                self._last[id(terminal), person.user_id] = moment
                punch = punch_of(person, usual_state(moment), moment, self._random)
                if self._on_punch is not None:
                    self._on_punch(terminal, punch)
                terminal.punch(punch.user_id, punch.verify, punch.state, moment)
                return punch
        return None


def simulate(
    terminals: int = 1,
    *,
    host: str = "127.0.0.1",
    port: int = 4370,
    users: int = 25,
    punches: int = 1000,
    punch_every_s: float | None = None,
    comm_key: int = 0,
    latency_s: float = 0.0,
    bandwidth: float = 0.0,
    transport: Sockets = "both",
    timezone: str | None = None,
    clock_offset_s: float = 0.0,
    replay: Path | None = None,
    seed: int = 4370,
    clock: Callable[[], datetime] = host_clock,
    on_punch: OnPunch | None = None,
    **changes: Any,  # noqa: ANN401 - the fields of Behaviour, checked where it is made
) -> Fleet:
    """Start simulated terminals and return them running; prints nothing.

    Args:
        terminals: How many; they listen on consecutive ports.
        host: Address to listen on.
        port: First port; 0: free ones.
        users: People on each terminal, the same on all.
        punches: Records in each attendance log, working days up to now.
        punch_every_s: Seconds between live punches, over all terminals; None: nobody punches.
        comm_key: Key of every terminal; 0: none.
        latency_s: Time before each answer.
        bandwidth: Bytes per second of each terminal; 0: unlimited.
        transport: ``both``, ``tcp`` or ``udp``.
        timezone: IANA name of the wall clocks' zone; None: the host's.
        clock_offset_s: How wrong the clocks are; positive: ahead.
        replay: Recording to serve; the other contents do not apply then.
        seed: The same seed invents the same people and days.
        clock: The true time, aware.
        on_punch: Called just before each live punch, mostly in the terminals' thread; must not
            block.
        **changes: Further fields of :class:`Behaviour`.

    Returns:
        The running terminals; ``with`` or :meth:`Fleet.stop` ends them.

    Raises:
        OSError: A port is taken, or the recording cannot be read.
        RecordingError: The recording is broken.
        ValueError: The zone, a size or a port does not exist.
    """
    if port + terminals - 1 > _LAST_PORT:
        raise ValueError(f"{terminals} terminals from port {port} on are more than there are ports")
    hub = Hub()
    behaviour = replace(
        _roomy(users, punches),
        comm_key=comm_key,
        latency_s=latency_s,
        bandwidth=bandwidth,
        **changes,
    )
    made: list[ListeningTerminal] = []
    local = zone(timezone)
    recording = read_recording(replay) if replay is not None else None
    for index in range(terminals):
        port_here = port + index if port else 0
        if recording is not None:
            made.append(
                ReplayedTerminal(recording, host=host, port=port_here, hub=hub, behaviour=behaviour)
            )
            continue
        terminal = SimulatedTerminal(
            host=host,
            port=port_here,
            transport=transport,
            serial=f"SIM{index + 1:010d}",
            options=_identity(index),
            clock=clock,
            timezone=local,
            clock_offset=timedelta(seconds=clock_offset_s),
            hub=hub,
            behaviour=behaviour,
        )
        _fill(terminal, users, punches, Random(seed + index))  # noqa: S311 - invents test data
        made.append(terminal)
    fleet = Fleet(
        hub,
        made,
        punch_every_s=punch_every_s,
        on_punch=on_punch,
        random=Random(seed),  # noqa: S311 - invents test data
    )
    fleet.start()
    return fleet


def _roomy(users: int, punches: int) -> Behaviour:
    """Capacities that hold what is asked for, and as much again."""
    usual = Behaviour()
    return replace(
        usual,
        user_capacity=max(usual.user_capacity, 2 * users),
        finger_capacity=max(usual.finger_capacity, 4 * users),
        punch_capacity=max(usual.punch_capacity, 2 * punches),
    )


def _identity(index: int) -> dict[str, str]:
    number = index + 1
    return {
        "MAC": f"00:17:61:00:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}",
        "~DeviceName": f"Simulated {number}",
        "DeviceID": str(number),
    }


def _fill(terminal: SimulatedTerminal, users: int, punches: int, random: Random) -> None:
    people = staff(users, random)
    terminal.add_users(people)
    now = terminal.wall_clock()
    terminal.load_punches(working_days(people, punches, now, random))
    for operation in history(people, now - timedelta(days=400)):
        terminal.load_operation(operation)
