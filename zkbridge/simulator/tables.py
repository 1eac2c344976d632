"""Tables of a simulated terminal: encoded bytes that grow at the end, and snapshots of them.

Logs of 100,000 records are appended to and served without encoding or copying them again.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from zkbridge.zk.framing import checksum

_U32: Final = Struct("<I")
_MAX_SUMS: Final = 4096


class Records:
    """Records of one size as one run of bytes.

    Bytes that were handed out never change: growth appends, everything else replaces the run.
    A snapshot of a log is therefore just its length.
    """

    def __init__(self, record_size: int) -> None:
        self.record_size = record_size
        self._run = Run(bytearray())

    def __len__(self) -> int:
        return len(self._run.body) // self.record_size

    def append(self, records: bytes) -> None:
        """Add whole records at the end."""
        self._run.body.extend(records)

    def replace(self, records: bytes) -> None:
        """Put other records in the place of all."""
        self._run = Run(bytearray(records))

    def drop_oldest(self, count: int) -> None:
        """Remove records from the start, as a terminal at its capacity does."""
        self.replace(bytes(self._run.body[count * self.record_size :]))

    def content(self) -> bytes:
        """All records, joined."""
        return bytes(self._run.body)

    def snapshot(self, size_field_excess: int = 0) -> "Snapshot":
        """Freeze the table as CMD_PREPARE_BUFFER does.

        Args:
            size_field_excess: Added to the size field: a table shorter than it says.
        """
        size = len(self._run.body)
        return Snapshot(_U32.pack((size + size_field_excess) & 0xFFFFFFFF), self._run, size)


@dataclass(slots=True)
class Run:
    """Bytes that only grow, with the sums of slices that were served."""

    body: bytearray
    sums: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as it was when a client asked for it: size field, then records."""

    head: bytes
    run: Run
    size: int

    def __len__(self) -> int:
        return len(self.head) + self.size

    def slice(self, start: int, end: int) -> bytes:
        """Bytes of the table, its size field included."""
        offset = len(self.head)
        if start >= offset:
            return bytes(self.run.body[start - offset : min(end - offset, self.size)])
        return self.head[start:end] + bytes(self.run.body[: min(max(end - offset, 0), self.size)])

    def sum(self, start: int, end: int, data: bytes) -> int:
        """Checksum of a slice alone; remembered, since it costs more than sending the slice."""
        if start < len(self.head):
            return checksum(data)
        key = (start, end)
        known = self.run.sums.get(key)
        if known is None:
            if len(self.run.sums) >= _MAX_SUMS:
                self.run.sums.clear()
            known = self.run.sums[key] = checksum(data)
        return known


def snapshot_of(blob: bytes) -> Snapshot:
    """Wrap a table that was encoded on demand, its size field included."""
    return Snapshot(blob[:4], Run(bytearray(blob[4:])), len(blob) - 4)
