"""A terminal's punches of a time once more, on request (contract 5.13)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from zkbridge.events import Freshness, Log, Source
from zkbridge.polling.context import Context
from zkbridge.polling.sequence import PunchSequence
from zkbridge.polling.translate import log_person
from zkbridge.store import Lane
from zkbridge.timezones import to_utc
from zkbridge.zk import Attendance, LogRead, ZKDevice

_LOGGER = logging.getLogger(__name__)
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Which time to publish once more.

    Attributes:
        since: Naive: in the terminal's zone.
        until: Likewise; None: now.
    """

    since: datetime
    until: datetime | None = None


def replay(device: ZKDevice, context: Context, request: ReplayRequest) -> int:
    """Queue a time's events once more; what the store lacks is read from the terminal.

    Args:
        device: An open connection whose logs were just read to their end.
        context: The terminal.
        request: Which time.

    Returns:
        How many events were queued.

    Raises:
        ZKError: The terminal; what was queued stays.
        StoreError: The store; likewise.
    """
    since = _moment(request.since, context)
    until = context.clock() if request.until is None else _moment(request.until, context)
    queued = context.store.requeue(context.number, since, until)
    sequence = PunchSequence()
    records: Iterator[object] = iter(_whole(device, context))
    while batch := list(islice(records, _BATCH)):
        with context.store.transaction() as tx:
            for record in batch:
                if not isinstance(record, Attendance):
                    continue
                person = log_person(record)
                occurrence = sequence.occurrence(person, record.raw_time)
                if occurrence is None:
                    continue
                _, moment = context.translator.moment(record.timestamp, occurrence, None)
                if moment is None or not since <= moment < until:
                    continue
                user_id = context.user_id(record)
                punch = context.translator.punch(
                    record,
                    person=person,
                    user_id=user_id,
                    user_name=context.directory.name(user_id),
                    occurrence=occurrence,
                    source=Source.REPLAY,
                    seen_at=context.clock(),
                )
                queued += tx.add(
                    context.number,
                    punch,
                    subject=person.encode("utf-8", "surrogatepass"),
                    raw_time=record.raw_time,
                    occurrence=occurrence,
                    confirmed=True,
                    freshness=Freshness(
                        age_s=None, seen_mono_s=context.mono(), process=context.process
                    ),
                    lane=Lane.REPLAY,
                    missing_only=True,
                )
    return queued


def _whole(device: ZKDevice, context: Context) -> LogRead:
    return device.read_log(Log.PUNCHES.value, key=context.translator.key)


def _moment(moment: datetime, context: Context) -> datetime:
    if moment.tzinfo is None:
        return to_utc(moment, context.translator.local)
    return moment.astimezone(UTC)
