"""A simulated terminal to hold in one's hands: memory, protocol and sockets as one object."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.listening import ListeningTerminal, Sockets
from zkbridge.simulator.memory import Memory, WallClock, host_clock
from zkbridge.simulator.records import (
    SimulatedOperation,
    SimulatedPunch,
    SimulatedUser,
    alarm_event,
    attlog_event,
    enroll_finger_event,
    pack_time,
    verify_event,
)
from zkbridge.simulator.terminal import Terminal, event_packet
from zkbridge.zk.opcodes import EventFlag

DEFAULT_OPTIONS: Final = {
    "~SerialNumber": "SIM0000000001",
    "~Platform": "ZMM220_TFT",
    "~DeviceName": "Simulated",
    "~OEMVendor": "ZKTECO CO., LTD.",
    "~ProductTime": "2019-03-05 11:20:44",
    "~OS": "1",
    "~SSR": "1",
    "FirmVer": "Ver 6.60 Apr 28 2017",
    "MAC": "00:17:61:00:00:01",
    "IPAddress": "127.0.0.1",
    "NetMask": "255.255.255.0",
    "GATEIPAddress": "127.0.0.254",
    "DeviceID": "1",
    "~ZKFPVersion": "10",
    "ZKFaceVersion": "7",
    "FingerFunOn": "1",
    "FaceFunOn": "1",
    "PhotoFunOn": "1",
    "~RFCardOn": "1",
    "~PIN2Width": "9",
    "~IsABCPinEnable": "1",
    "~ExtendFmt": "0",
    "~UserExtFmt": "1",
    "SDKBuild": "0",
    "WorkCode": "0",
    "Language": "69",
    "LockOn": "5",
}


class SimulatedTerminal(ListeningTerminal):
    """One terminal on real sockets; every method may be called from any thread.

    ``with SimulatedTerminal() as terminal:`` listens on a free port of loopback.

    Attributes:
        host: Where it listens.
        port: 0 until started, unless one was given.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        transport: Sockets = "both",
        serial: str = DEFAULT_OPTIONS["~SerialNumber"],
        options: dict[str, str] | None = None,
        clock: Callable[[], datetime] = host_clock,
        timezone: tzinfo | None = None,
        clock_offset: timedelta = timedelta(),
        hub: Hub | None = None,
        behaviour: Behaviour | None = None,
        **changes: Any,  # noqa: ANN401 - the fields of Behaviour, checked by replace()
    ) -> None:
        """Make a terminal; nothing listens before :meth:`start`.

        Args:
            host: Address to listen on.
            port: 0: a free one.
            transport: Which sockets it has.
            serial: Its serial number.
            options: Further options, over :data:`DEFAULT_OPTIONS`.
            clock: The true time, aware.
            timezone: Zone of its wall clock; None: the host's.
            clock_offset: How wrong its clock is; positive: ahead.
            hub: Thread shared with other terminals; None: its own.
            behaviour: How it behaves.
            **changes: Fields of :class:`Behaviour`, over ``behaviour``.
        """
        chosen = replace(behaviour or Behaviour(), **changes)
        wall = WallClock(clock, timezone, clock_offset)
        texts = DEFAULT_OPTIONS | {"~SerialNumber": serial} | (options or {})
        self._memory = Memory(chosen, texts, wall)
        self._terminal = Terminal(self._memory)
        super().__init__(
            self._terminal,
            lambda: self._memory.behaviour,
            host=host,
            port=port,
            transport=transport,
            hub=hub,
        )

    def behave(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of Behaviour
        """Change switches of :class:`Behaviour` from now on."""
        with self._server.lock:
            self._memory.behave(replace(self._memory.behaviour, **changes))

    # What happens at the terminal

    def wall_clock(self) -> datetime:
        """Read its clock: naive, to the second."""
        with self._server.lock:
            return self._memory.clock.read()

    def set_clock(self, offset: timedelta | float) -> None:
        """Set its clock wrong by that much (seconds, or a timedelta); positive: ahead."""
        if not isinstance(offset, timedelta):
            offset = timedelta(seconds=offset)
        with self._server.lock:
            self._memory.clock = replace(self._memory.clock, offset=offset)

    def punch(
        self,
        user_id: str,
        verify: int = 1,
        state: int = 0,
        when: datetime | None = None,
        *,
        raw_time: int | None = None,
        work_code: int = 0,
        live: bool = True,
        logged: bool = True,
    ) -> bool:
        """Let somebody punch: into the log and, live, to whoever registered.

        Args:
            user_id: Who; need not be a user.
            verify: Verify mode.
            state: Key pressed.
            when: Wall-clock time; None: now.
            raw_time: Packed time instead, also of a date that does not exist.
            work_code: Work code.
            live: Whether it is told live.
            logged: Whether it is written to the log.

        Returns:
            False where the log is full and the terminal stops recording.
        """
        with self._server.lock:
            moment = when or self._memory.clock.read()
            raw = pack_time(moment) if raw_time is None else raw_time
            user = self._memory.users.get(user_id)
            punch = SimulatedPunch(user_id, raw, verify, state, user.uid if user else 0, work_code)
            if logged and not self._memory.record(punch):
                return False
            if live:
                size = self._memory.behaviour.event_size
                self.event(EventFlag.ATTLOG, attlog_event(punch, moment, size))
            return True

    def load_punches(self, punches: Iterable[SimulatedPunch]) -> int:
        """Put punches into the log without telling anybody; returns how many were kept."""
        with self._server.lock:
            return self._memory.record_all(punches)

    def load_raw_punches(self, records: bytes) -> None:
        """Put encoded records into the log as they are, whatever they contain."""
        with self._server.lock:
            self._memory.punches.append(records)

    def operate(
        self,
        op: int,
        admin: int = 0,
        params: tuple[int, int, int, int] = (0, 0, 0, 0),
        *,
        when: datetime | None = None,
        raw_time: int | None = None,
        pad: int = 0,
    ) -> None:
        """Write an operation log entry."""
        with self._server.lock:
            raw = pack_time(when or self._memory.clock.read()) if raw_time is None else raw_time
            self._memory.operate(SimulatedOperation(op, raw, admin, params, pad))

    def load_operation(self, operation: SimulatedOperation) -> None:
        """Write a prepared operation log entry."""
        with self._server.lock:
            self._memory.operate(operation)

    def clear_log(self, *, admin: int = 0, logged: bool = True) -> None:
        """Empty the attendance log; the operation log notes it unless not ``logged``."""
        with self._server.lock:
            self._memory.clear_punches(admin=admin, logged=logged)

    def clear_operations(self) -> None:
        """Empty the operation log."""
        with self._server.lock:
            self._memory.operations.replace(b"")

    def drop_oldest(self, count: int) -> None:
        """Delete the oldest attendance records, as the cyclic deletion does."""
        with self._server.lock:
            self._memory.punches.drop_oldest(count)

    def alarm(self, code: int, uid: int | None = None, *, match: int = 1, size: int = 0) -> int:
        """Send an alarm or door event; returns to how many clients it went."""
        return self.event(EventFlag.ALARM, alarm_event(code, uid, match=match, size=size))

    def verify(self, uid: int | None) -> int:
        """Send a verification event; None: not recognised."""
        return self.event(EventFlag.VERIFY, verify_event(uid))

    def enroll_finger(
        self, result: int, template_size: int = 0, user_id: str = "", finger: int = 0
    ) -> int:
        """Send the event of an enrolled or refused fingerprint."""
        payload = enroll_finger_event(result, template_size, user_id, finger)
        return self.event(EventFlag.ENROLLFINGER, payload)

    def event(self, code: int, payload: bytes) -> int:
        """Send any event to the clients that registered for it; returns to how many."""
        packet = event_packet(code, payload)
        return self._server.broadcast(packet, lambda link: self._terminal.hears(link, code))

    def set_door(self, *, is_open: bool) -> None:
        """Open or close the door that CMD_DOORSTATE_RRQ tells of."""
        with self._server.lock:
            self._memory.door_open = is_open

    def set_state(self, state: int) -> None:
        """Set what CMD_STATE_RRQ answers."""
        with self._server.lock:
            self._memory.state = state

    def restart(self) -> None:
        """Lose power and come back: connections end, the operation log tells of it."""
        self.pause()
        self.operate(1)
        self.operate(0)
        self.resume()

    def set_option(self, name: str, value: str | None) -> None:
        """Set an option, or remove it."""
        with self._server.lock:
            if value is None:
                self._memory.options.pop(name, None)
            else:
                self._memory.options[name] = value

    def option(self, name: str) -> str | None:
        """Read an option."""
        with self._server.lock:
            return self._memory.options.get(name)

    def set_raw_table(self, command: int, fct: int, blob: bytes | None) -> None:
        """Serve these bytes as a table, size field included, whatever is stored; None: no more."""
        with self._server.lock:
            if blob is None:
                self._memory.raw_tables.pop((command, fct), None)
            else:
                self._memory.raw_tables[command, fct] = blob

    def set_answer(
        self, command: int, code: int, data: bytes = b"", *, asked: bytes | None = None
    ) -> None:
        """Answer a command always so.

        Args:
            command: Which.
            code: Reply code.
            data: Reply data.
            asked: Only requests with this data; None: any.
        """
        with self._server.lock:
            self._memory.canned[command, asked] = code, data

    # Users

    def add_user(self, user_id: str, name: str = "", **fields: Any) -> SimulatedUser:  # noqa: ANN401 - the fields of SimulatedUser
        """Enroll a user; without ``uid`` the next free index is taken."""
        with self._server.lock:
            fields.setdefault("uid", self._memory.free_uid())
            user = SimulatedUser(user_id=user_id, name=name, **fields)
            self._memory.put_user(user)
            return user

    def add_users(self, users: Iterable[SimulatedUser]) -> None:
        """Enroll many users at once."""
        with self._server.lock:
            for user in users:
                self._memory.put_user(user)

    def rename_user(self, user_id: str, name: str) -> None:
        """Change a user's name."""
        with self._server.lock:
            self._memory.put_user(replace(self._memory.users[user_id], name=name, raw_name=None))

    def remove_user(self, user_id: str) -> None:
        """Delete a user."""
        with self._server.lock:
            self._memory.remove_user(user_id)

    @property
    def users(self) -> dict[str, SimulatedUser]:
        """Users by user id; a copy."""
        with self._server.lock:
            return dict(self._memory.users)

    # What a test looks at

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now."""
        return self._memory.behaviour

    @property
    def punch_count(self) -> int:
        """Records in the attendance log."""
        with self._server.lock:
            return len(self._memory.punches)

    @property
    def punch_bytes(self) -> bytes:
        """The attendance log as encoded."""
        with self._server.lock:
            return self._memory.punches.content()

    @property
    def operation_count(self) -> int:
        """Records in the operation log."""
        with self._server.lock:
            return len(self._memory.operations)

    @property
    def enabled(self) -> bool:
        """Whether people can punch: no client has disabled the terminal."""
        return self._terminal.enabled
