"""``ZKDevice``: everything a terminal can be asked for."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from struct import Struct
from typing import Final

from zkbridge.zk.bulk import FINGERPRINTS, USERS, Reply
from zkbridge.zk.codecs import decode_fingerprints, decode_users
from zkbridge.zk.errors import ZKNotSupported
from zkbridge.zk.incremental import LogCursor, LogName
from zkbridge.zk.layouts import user_layout
from zkbridge.zk.models import Attendance, FaceTemplate, FingerTemplate, OpLog, User
from zkbridge.zk.opcodes import (
    CMD_ACK_ERROR,
    CMD_ACK_NO_PHOTO,
    CMD_ACK_OK,
    CMD_FACE_RRQ,
    CMD_USER_PHOTO,
)
from zkbridge.zk.reading import LogQuestion, LogRead, UserIdsNeeded
from zkbridge.zk.terminal import Terminal
from zkbridge.zk.transport import Transport, TransportKind

_LOGGER = logging.getLogger(__name__)

_ALL_FACES: Final = 50
_BLOB_BUDGET_S: Final = 180.0  # a portrait of 1 MB or a face, on a slow line
_FACE_BY_ID = Struct("<24sxB2x")  # openzk's form; protocol.md 11
_FACE_BY_UID = Struct("<HB")  # pyzk's form; protocol.md 11
_FACE_OFF: Final = "0"


class ZKDevice(Terminal):
    """A ZKTeco terminal, read-only; used by one thread, but for ``abort``.

    Args:
        host: Address or name of the terminal.
        port: Its service port.
        password: Numeric comm key; 0 for none.
        timeout: Seconds that one frame may take.
        transport: Used instead of a connection of its own.
        kind: ``tcp``, ``udp``, or ``auto``: TCP, and UDP where nobody accepts that.
        encoding: Code page of names that are not UTF-8.
        handshake: Perform the SDK handshake on opening; False leaves the terminal's option
            alone until ``session.handshake()`` is called.

    Attributes:
        session: Options and handshake.
        undecodable: Records of the last log read that fitted no layout.
    """

    def __init__(
        self,
        host: str = "",
        port: int = 4370,
        password: int = 0,
        timeout: float = 10.0,
        transport: Transport | None = None,
        *,
        kind: TransportKind = "auto",
        encoding: str = "utf-8",
        handshake: bool = True,
    ) -> None:
        super().__init__(host, port, password, timeout, transport, kind=kind, handshake=handshake)
        self._encoding = encoding
        self.undecodable = 0

    # --- people ---

    def users(self) -> list[User]:
        """Read all enrolled users.

        Raises:
            ZKNotSupported: The terminal refuses.
            ZKProtocolError: The table is torn, or of no known layout.
        """
        count = self.capacity().users
        records = self._tables.read(USERS)
        users = (
            decode_users(records, user_layout(records, count), self._encoding) if records else []
        )
        self._user_ids = {user.uid: user.user_id for user in users}
        return users

    def user_photo(self, user_id: str) -> bytes | None:
        """Read a user's portrait.

        Returns:
            JPEG bytes; None where there is none.

        Raises:
            ZKNotSupported: The terminal keeps no portraits, or answers something unexpected.
            ZKProtocolError: Not as many bytes as announced.

        Source: protocol.md 11.
        """
        name = user_id.encode("utf-8", "replace").replace(b"\0", b"") + b".jpg\0"
        reply = self._bulk(CMD_USER_PHOTO, name)
        if reply.data is not None:
            return reply.data or None
        if reply.code in {CMD_ACK_OK, CMD_ACK_NO_PHOTO}:
            return None
        raise ZKNotSupported("user_photo", reply.code)

    def fingerprint_templates(self) -> list[FingerTemplate]:
        """Read all enrolled fingerprints.

        Raises:
            ZKNotSupported: The terminal refuses.
            ZKProtocolError: The table is torn.
        """
        return decode_fingerprints(self._tables.read(FINGERPRINTS))

    def face_templates(self) -> list[FaceTemplate]:
        """Read the enrolled faces of every user who has one.

        Raises:
            ZKNotSupported: The terminal knows no faces.

        Source: protocol.md 11.
        """
        if (self._capabilities or {}).get("FaceFunOn") == _FACE_OFF:
            raise ZKNotSupported("face_templates", 0)
        templates = ((user.uid, self._face(user)) for user in self.users())
        return [FaceTemplate(uid, data) for uid, data in templates if data]

    def _face(self, user: User) -> bytes | None:
        refused = 0
        for form in (
            _FACE_BY_ID.pack(user.user_id.encode("utf-8", "replace"), _ALL_FACES),
            _FACE_BY_UID.pack(user.uid, _ALL_FACES),
        ):
            reply = self._bulk(CMD_FACE_RRQ, form)
            if reply.data is not None:
                return reply.data
            if reply.code == CMD_ACK_OK:
                return None
            refused = reply.code
        if refused == CMD_ACK_ERROR:
            return None
        raise ZKNotSupported("face_templates", refused)

    def _bulk(self, command: int, data: bytes) -> Reply:
        saved, self._transport.budget_s = self._transport.budget_s, _BLOB_BUDGET_S
        try:
            return self.session.request(command, data)
        finally:
            self._transport.budget_s = saved

    # --- logs ---

    def attendance(self) -> Iterator[Attendance]:
        """Yield all punches, oldest first, while they arrive.

        Records that are none are left out, counted in ``undecodable`` and said in one log line.

        Raises:
            ZKNotSupported: The terminal refuses.
            ZKProtocolError: The table is torn, or of no known layout.
        """
        for record in self._yield_log("punches"):
            if isinstance(record, Attendance):
                yield record

    def op_logs(self) -> Iterator[OpLog]:
        """Yield the whole operation log, oldest first, while it arrives.

        Raises:
            ZKNotSupported: The terminal refuses.
            ZKProtocolError: The table is torn.
        """
        for record in self._yield_log("operations"):
            if isinstance(record, OpLog):
                yield record

    def _yield_log(self, log: LogName) -> Iterator[object]:
        self.undecodable = 0
        read = self.read_log(log)
        for record in read:
            if isinstance(record, Attendance | OpLog):
                yield record
            else:
                self.undecodable += 1
        if self.undecodable:
            _LOGGER.warning("%d records of %s fit no layout", self.undecodable, log)

    def read_log(
        self,
        log: LogName,
        cursor: LogCursor | None = None,
        *,
        count: int | None = None,
        verify_whole: bool = False,
        key: str | None = None,
    ) -> LogRead:
        """Read what is new in a log, or the whole log where that cannot be told.

        Args:
            log: ``punches`` or ``operations``.
            cursor: From the last reading; None reads everything.
            count: How many records the counters tell, where that is known already; None asks.
            verify_whole: Read everything even with a cursor.
            key: Whose log this is, kept in the cursor and compared with it; default: the serial.

        Returns:
            The reading: iterate it for ``Attendance``, ``OpLog`` and ``Undecodable`` records;
            ask it for the case and, after the last record, for the next cursor.

        Raises:
            ZKNotSupported: The terminal refuses.
            ZKProtocolError: The table is torn, or of no known layout.

        Source: protocol.md 5.6; contract 5.5.
        """
        if count is None:
            counts = self.capacity()
            count = counts.punches if log == "punches" else counts.op_log
        question = LogQuestion(
            log=log,
            key=self.serial if key is None else key,
            cursor=cursor,
            count=count,
            whole=verify_whole,
            newest_year=datetime.now(UTC).year + 1,
            user_ids=self._user_ids if cursor is not None else None,
        )
        try:
            return self._tables.open_log(question)
        except UserIdsNeeded:
            # The terminal holds one prepared table at a time: users first, then the log anew.
            return self._tables.open_log(replace(question, user_ids=self._read_user_ids()))

    def _read_user_ids(self) -> dict[int, str]:
        try:
            self.users()
        except ZKNotSupported:
            _LOGGER.warning("the user table is refused: punches carry the index only")
        return self._user_ids or {}
