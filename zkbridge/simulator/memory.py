"""What a simulated terminal stores: users, logs, options, its clock. No I/O, no protocol."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.records import (
    OPERATION_SIZE,
    SimulatedOperation,
    SimulatedPunch,
    SimulatedUser,
    operation_record,
    pack_time,
    punch_record,
    template_entry,
    user_record,
)
from zkbridge.simulator.tables import Records, Snapshot, snapshot_of
from zkbridge.zk.opcodes import (
    CMD_ATTLOG_RRQ,
    CMD_DB_RRQ,
    CMD_OPLOG_RRQ,
    CMD_USERTEMP_RRQ,
    FCT_ATTLOG,
    FCT_FINGERTMP,
    FCT_OPLOG,
    FCT_USER,
)

_LOG_CLEARED = 23


@dataclass(frozen=True, slots=True)
class WallClock:
    """A terminal's clock: what the host's clock says, in a zone, and how wrong it is set.

    Attributes:
        now: The true time, aware.
        zone: The terminal's zone.
        offset: Positive: the terminal is ahead.
    """

    now: Callable[[], datetime]
    zone: tzinfo | None = None
    offset: timedelta = timedelta()

    def read(self) -> datetime:
        """Naive wall-clock time, to the second."""
        local = self.now().astimezone(self.zone)
        return (local + self.offset).replace(microsecond=0, tzinfo=None)


def host_clock() -> datetime:
    """Return the host's time, aware."""
    return datetime.now(UTC)


class Memory:
    """Users, attendance log, operation log and options of one terminal.

    Not thread-safe: the owner serialises access.
    """

    def __init__(self, behaviour: Behaviour, options: dict[str, str], clock: WallClock) -> None:
        self.behaviour = behaviour
        self.options = dict(options)
        self.clock = clock
        self.users: dict[str, SimulatedUser] = {}
        self.punches = Records(behaviour.punch_size)
        self.operations = Records(OPERATION_SIZE)
        self.door_open = False
        self.state = 0
        self.raw_tables: dict[tuple[int, int], bytes] = {}
        self.canned: dict[tuple[int, bytes | None], tuple[int, bytes]] = {}
        self._user_table: Snapshot | None = None
        self._frozen: dict[str, int] | None = None

    # Users

    def put_user(self, user: SimulatedUser) -> None:
        """Store a user, or change the one of the same id."""
        self.users[user.user_id] = user
        self._user_table = None

    def remove_user(self, user_id: str) -> None:
        """Forget a user; unknown ids are none."""
        self.users.pop(user_id, None)
        self._user_table = None

    def free_uid(self) -> int:
        """Return the lowest internal index above all used ones."""
        return max((user.uid for user in self.users.values()), default=0) + 1

    def user_by_uid(self, uid: int) -> SimulatedUser | None:
        """Find a user by the internal index."""
        return next((user for user in self.users.values() if user.uid == uid), None)

    # Logs

    def record(self, punch: SimulatedPunch) -> bool:
        """Add a punch to the log; False where the log is full and stops."""
        return self.record_all((punch,)) == 1

    def record_all(self, punches: Iterable[SimulatedPunch]) -> int:
        """Add punches at the end of the log; returns how many were kept."""
        size = self.punches.record_size
        encoded = [punch_record(self._indexed(punch), size) for punch in punches]
        room = self.behaviour.punch_capacity - len(self.punches)
        if len(encoded) <= room:
            self.punches.append(b"".join(encoded))
            return len(encoded)
        if not self.behaviour.drop_oldest:
            self.punches.append(b"".join(encoded[:room]))
            return max(room, 0)
        for record in encoded:
            if len(self.punches) >= self.behaviour.punch_capacity:
                self.punches.drop_oldest(self.behaviour.drop_oldest)
            self.punches.append(record)
        return len(encoded)

    def _indexed(self, punch: SimulatedPunch) -> SimulatedPunch:
        """Fill in the internal index of a known user."""
        user = None if punch.uid else self.users.get(punch.user_id)
        return punch if user is None else replace(punch, uid=user.uid)

    def operate(self, operation: SimulatedOperation) -> None:
        """Add an operation log entry."""
        self.operations.append(operation_record(operation))

    def clear_punches(self, *, admin: int = 0, logged: bool = True) -> None:
        """Empty the attendance log; a terminal notes that in its operation log."""
        self.punches.replace(b"")
        if logged:
            self.operate(
                SimulatedOperation(_LOG_CLEARED, pack_time(self.clock.read()), admin=admin)
            )

    # What it answers

    def table(self, command: int, fct: int) -> Snapshot | None:
        """Freeze a table; None: there is no such table. Source: protocol.md 5.1."""
        excess = self.behaviour.size_field_excess
        raw = self.raw_tables.get((command, fct))
        if raw is not None:
            return snapshot_of(raw)
        if (command, fct) in {(CMD_ATTLOG_RRQ, 0), (CMD_DB_RRQ, FCT_ATTLOG)}:
            return self.punches.snapshot(excess)
        if (command, fct) in {(CMD_OPLOG_RRQ, 0), (CMD_DB_RRQ, FCT_OPLOG)}:
            return self.operations.snapshot(excess)
        if (command, fct) in {(CMD_USERTEMP_RRQ, FCT_USER), (CMD_DB_RRQ, FCT_USER)}:
            if self._user_table is None:
                self._user_table = self._encode_users()
            return self._user_table
        if (command, fct) == (CMD_DB_RRQ, FCT_FINGERTMP):
            return self._encode_templates()
        return None

    def _encode_users(self) -> Snapshot:
        records = b"".join(
            user_record(user, self.behaviour.user_size, self.behaviour.encoding)
            for user in self.users.values()
        )
        size = len(records) + self.behaviour.size_field_excess
        return snapshot_of(size.to_bytes(4, "little") + records)

    def _encode_templates(self) -> Snapshot:
        entries = b"".join(
            template_entry(user.uid, finger, user.template_flag, template)
            for user in self.users.values()
            for finger, template in sorted(user.templates.items())
        )
        return snapshot_of(len(entries).to_bytes(4, "little") + entries)

    def true_counters(self) -> dict[str, int]:
        """Count what is stored, under the names of the counters."""
        behaviour, users = self.behaviour, self.users.values()
        fingers = sum(len(user.templates) for user in users)
        return {
            "users": len(users),
            "fingers": fingers,
            "records": len(self.punches),
            "oplog": len(self.operations),
            "admins": sum(1 for user in users if user.privilege & 0x0E),
            "passwords": sum(1 for user in users if user.password),
            "fingers_cap": behaviour.finger_capacity,
            "users_cap": behaviour.user_capacity,
            "records_cap": behaviour.punch_capacity,
            "fingers_free": behaviour.finger_capacity - fingers,
            "users_free": behaviour.user_capacity - len(users),
            "records_free": behaviour.punch_capacity - len(self.punches),
            "faces": sum(1 for user in users if user.faces),
            "faces_cap": behaviour.face_capacity,
        }

    def counters(self) -> dict[str, int]:
        """Return the counters as the terminal tells them."""
        behaviour = self.behaviour
        if behaviour.counts == "frozen" and self._frozen is not None:
            return self._frozen
        true = self.true_counters()
        if behaviour.counts == "zero":
            return true | {"records": 0, "records_free": behaviour.punch_capacity}
        if behaviour.counts == "lagging":
            seen = max(true["records"] - behaviour.count_lag, 0)
            return true | {"records": seen, "records_free": behaviour.punch_capacity - seen}
        return true

    def behave(self, behaviour: Behaviour) -> None:
        """Change how the terminal behaves; frozen counters freeze now.

        Raises:
            ValueError: The log already holds records of another size.
        """
        if behaviour.punch_size != self.punches.record_size:
            if len(self.punches):
                raise ValueError("the attendance log holds records of another size")
            self.punches = Records(behaviour.punch_size)
        self._frozen = self.true_counters() if behaviour.counts == "frozen" else None
        self.behaviour = behaviour
        self._user_table = None
