"""Which layout a table has: from its size and the counts, proven by what it decodes to. Pure.

Source: protocol.md 6.5, 7.3.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from zkbridge.zk.codecs import (
    ATTLOG_8,
    ATTLOG_8B,
    ATTLOG_16,
    ATTLOG_40,
    ATTLOG_49,
    USER_16,
    USER_28,
    USER_72,
    Layout,
    attlog_text_layout,
    decode_time,
)
from zkbridge.zk.errors import ZKProtocolError

_SAMPLE: Final = 48  # records that are looked at
_MAX_RECORD: Final = 1024
_KNOWN: Final = 0.5  # a size that counts confirm: most of it must make sense
_GUESSED: Final = 0.7
_CONFIRMED: Final = 0.1  # what the counters' word adds
_CONVINCING: Final = 0.2  # by so much another size must make more sense than the counted one
_MAX_CODE: Final = 30  # verification codes and punch states in use are small, or 255
_UNDEFINED: Final = 255
_PRINTABLE: Final = frozenset(range(0x20, 0x7F))
_ID_WEIGHT, _DATE_WEIGHT, _CODE_WEIGHT, _RESERVED_WEIGHT = 4, 4, 1, 2

Fields = dict[str, int | bytes]


def attendance_layout(records: bytes, size: int, count: int | None, newest_year: int) -> Layout:
    """Choose the layout of a punch log.

    Args:
        records: The log's first records, as many bytes as there are; its u32 size left off.
        size: Bytes of all records.
        count: How many records the counters tell; None or 0 when unknown.
        newest_year: Latest year that a sane record can bear.

    Raises:
        ZKProtocolError: Nothing fits.
    """

    def score(layout: Layout) -> float:
        return _score(layout, records, lambda fields: _punch_score(fields, newest_year))

    counted = _counted_punches(size, count)
    candidates = (ATTLOG_40, ATTLOG_49, ATTLOG_16, ATTLOG_8, ATTLOG_8B)
    guessed = [layout for layout in candidates if size % layout.size == 0]
    return _choose(
        misfit=f"{size} bytes of punches, {count}",
        records=records,
        counted=counted,
        guessed=guessed,
        score=score,
    )


def _counted_punches(size: int, count: int | None) -> list[Layout]:
    if not count or size % count:
        return []
    record = size // count
    if ATTLOG_40.size <= record <= _MAX_RECORD:
        return [attlog_text_layout(record)]
    return [each for each in (ATTLOG_16, ATTLOG_8, ATTLOG_8B) if each.size == record]


def user_layout(records: bytes, count: int | None) -> Layout:
    """Choose the layout of a user table, whose u32 size is left off.

    Raises:
        ZKProtocolError: Nothing fits.
    """
    known = (USER_72, USER_28, USER_16)
    size = len(records)
    counted = [each for each in known if count and each.size * count == size]
    guessed = [each for each in known if size % each.size == 0]
    return _choose(
        misfit=f"{size} bytes of users, {count}",
        records=records,
        counted=counted,
        guessed=guessed,
        score=lambda layout: _score(layout, records, _user_score),
    )


def _choose(
    *,
    misfit: str,
    records: bytes,
    counted: Sequence[Layout],
    guessed: Sequence[Layout],
    score: Callable[[Layout], float],
) -> Layout:
    """Take the layout whose records make most sense; the counters' one where that is close.

    Counters alone are no proof: where they lag, a multiple of the true size divides the table
    too, and would swallow every other record.
    """
    best: Layout | None = None
    most = 0.0
    # What no terminal is known to have comes last: it has to be better, not just as good.
    unheard_of = [layout for layout in counted if layout not in guessed]
    for layout in (*guessed, *unheard_of):
        points = score(layout)
        confirmed = layout in counted
        if points < (_KNOWN if confirmed else _GUESSED):
            continue
        if confirmed and layout in guessed:
            points += _CONFIRMED
        if points > most:
            best, most = layout, points
    if best is None:
        tried = ", ".join(f"{each.size}" for each in (*guessed, *unheard_of)) or "none"
        raise ZKProtocolError(
            f"{misfit} by the counters, fit no known record size "
            f"(tried: {tried}); they start with {records[:64].hex(' ')}"
        )
    return best


def _score(layout: Layout, records: bytes, judge: Callable[[Fields], float]) -> float:
    scores = [judge(fields) for fields in _sample(layout, records)]
    return sum(scores) / len(scores) if scores else 0.0


def _sample(layout: Layout, records: bytes) -> Iterator[Fields]:
    whole = len(records) // layout.size
    step = max(1, whole // _SAMPLE)
    for index in range(0, whole, step):
        values = layout.struct.unpack_from(records, index * layout.size)
        yield dict(zip(layout.fields, values, strict=True))


def _punch_score(fields: Fields, newest_year: int) -> float:
    points = _DATE_WEIGHT * _date_score(int(fields["raw_time"]), newest_year)
    weight = _DATE_WEIGHT
    user_id = fields.get("user_id")
    if isinstance(user_id, bytes):
        weight += _ID_WEIGHT
        points += _ID_WEIGHT * _id_score(user_id)
    for name in ("status", "punch"):
        if name in fields:
            weight += _CODE_WEIGHT
            code = int(fields[name])
            points += _CODE_WEIGHT * (code <= _MAX_CODE or code == _UNDEFINED)
    if "reserved" in fields:
        weight += _RESERVED_WEIGHT
        points += _RESERVED_WEIGHT * (fields["reserved"] == 0)
    return points / weight


def _date_score(raw_time: int, newest_year: int) -> float:
    moment = decode_time(raw_time)
    if moment is None:
        return 0.25  # it happens, one at a time
    if moment.year > newest_year:
        return 0.0
    return 0.5 if moment.year == 2000 else 1.0  # noqa: PLR2004  a clock that was never set


def _id_score(field: bytes) -> float:
    text, _, _ = field.partition(b"\0")
    if not text:
        return 0.0
    return float(all(byte in _PRINTABLE for byte in text))


def _user_score(fields: Fields) -> float:
    points = float(int(fields["uid"]) > 0) + float(int(fields["privilege"]) <= 15)  # noqa: PLR2004  4 bits
    weight = 2.0
    user_id = fields.get("user_id")
    if isinstance(user_id, bytes):
        text = user_id.partition(b"\0")[0]
        points += 4 * float(bool(text) and all(byte in _PRINTABLE for byte in text))
        weight += 4
    elif "number" in fields:
        # On these terminals the id and the index are small numbers.
        points += 2 * float(0 < int(fields["number"]) < 10**9)
        weight += 2
    name = fields["name"]
    if isinstance(name, bytes):
        points += float(all(byte >= 0x20 for byte in name.partition(b"\0")[0]))  # noqa: PLR2004  control
        weight += 1
    return points / weight
