"""Small values that others want back after a restart."""

from zkbridge.store.database import Database

_PREFIX = "note."


class Notes:
    """Mixed into the store; any thread."""

    _database: Database

    @property
    def epoch(self) -> int:
        """Grows when the file is replaced: numbers of events from before are void."""
        return self._database.epoch

    def note(self, key: str, value: str) -> None:
        """Keep a value under a key; written when this returns, not synced."""
        with self._database.write(synced=False) as body:
            body.execute(
                "INSERT INTO meta VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (_PREFIX + key, value),
            )

    def noted(self, key: str) -> str | None:
        """Return what was kept under a key; None: nothing."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT value FROM meta WHERE key = ?", (_PREFIX + key,)
            ).fetchone()
        return None if row is None else str(row[0])
