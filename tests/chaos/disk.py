"""A disk for the bridge's store that can be filled up."""

import os
import resource
import subprocess
from pathlib import Path
from typing import Final

_SIZE_BYTES: Final = 512 << 20
_PIECE: Final = b"\0" * (1 << 20)


class Disk:
    """A small file system of its own where that is allowed, else a limit on file sizes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._mounted = False
        self._limited: int | None = None

    def mount(self) -> None:
        """Get a file system, where the machine lets us."""
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_BYTES}", "none"]
            done = subprocess.run([*command, self.folder], check=False, capture_output=True)  # noqa: S603 - our own command line
            self._mounted = done.returncode == 0

    def unmount(self) -> None:
        """Give it back."""
        self.free()
        if self._mounted:
            subprocess.run(["umount", self.folder], check=True)  # noqa: S603, S607 - our own command line

    def fill(self, pid: int) -> None:
        """Leave no room.

        Args:
            pid: Who shall find none.
        """
        if self._mounted:
            with (self.folder / "filler").open("ab", buffering=0) as filler:
                for piece in (_PIECE, b"\0" * 4096):
                    try:
                        while filler.write(piece) == len(piece):
                            pass
                    except OSError:
                        continue
            return
        largest = max((file.stat().st_size for file in self.folder.iterdir()), default=0)
        self._limit(pid, largest)
        self._limited = pid

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink(missing_ok=True)
        pid, self._limited = self._limited, None
        if pid is not None:
            self._limit(pid, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(pid: int, size: int) -> None:
        try:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        except ProcessLookupError:
            return  # killed meanwhile
