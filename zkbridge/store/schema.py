"""The tables. A change here is a new version and a step in ``migrations``.

Moments are integers, microseconds since 1970 UTC. ``known`` is what must never be forgotten and has
one short row for every record ever seen; ``events`` has the contents and shrinks with retention.
"""

from typing import Final

# "zkbr": tells our file from another program's.
APPLICATION_ID: Final = 0x7A6B6272

_TABLES: Final = (
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE terminals(
        terminal INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        serial TEXT,
        mac TEXT,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        first_contact INTEGER,
        recovered INTEGER NOT NULL DEFAULT 0,
        sdk_build TEXT,
        partial_rest_until INTEGER,
        facts TEXT NOT NULL DEFAULT '{}')""",
    # Of its own, because it moves with every punch: the terminal's row is long. log: as in known.
    "CREATE TABLE cursors(log INTEGER PRIMARY KEY, cursor TEXT NOT NULL)",
    # log: twice the terminal's number, plus 1 for operations: one column less in every row.
    # confirmed: the log has shown it; else it was seen live only.
    """CREATE TABLE known(
        log INTEGER NOT NULL,
        raw_time INTEGER NOT NULL,
        subject INTEGER NOT NULL,
        occurrence INTEGER NOT NULL,
        confirmed INTEGER NOT NULL,
        PRIMARY KEY(log, raw_time, subject, occurrence)) WITHOUT ROWID""",
    # seq: never used twice (see _NUMBERS); AUTOINCREMENT would write one page more each.
    """CREATE TABLE events(
        seq INTEGER PRIMARY KEY,
        terminal INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        lane INTEGER NOT NULL,
        state INTEGER NOT NULL,
        at INTEGER NOT NULL,
        day INTEGER,
        hour INTEGER,
        user_id TEXT,
        user_name TEXT,
        event_id BLOB NOT NULL,
        event_type TEXT NOT NULL,
        code INTEGER,
        raw_time INTEGER,
        subject INTEGER,
        occurrence INTEGER,
        occurred_at INTEGER,
        timestamp TEXT,
        verified_by TEXT,
        verify_code INTEGER,
        source TEXT,
        seen_at INTEGER NOT NULL,
        admin_uid INTEGER,
        params TEXT,
        raw BLOB,
        age_s REAL,
        seen_mono_s REAL,
        process TEXT,
        published_offline INTEGER)""",
    """CREATE TABLE undecodable(
        log INTEGER NOT NULL,
        digest BLOB NOT NULL,
        raw BLOB,
        first_seen INTEGER NOT NULL,
        PRIMARY KEY(log, digest)) WITHOUT ROWID""",
    """CREATE TABLE topics(
        topic TEXT PRIMARY KEY,
        user_id TEXT,
        clear INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    """CREATE TABLE presence(
        user_id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        at INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE views(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
)

_INDEXES: Final = (
    "CREATE INDEX pending ON events(lane, terminal, seq) WHERE state = 0",
    "CREATE INDEX refused ON events(seq) WHERE state = 2",
    "CREATE INDEX offline ON events(published_offline) WHERE published_offline IS NOT NULL",
    "CREATE INDEX by_time ON events(kind, at)",
    "CREATE INDEX by_terminal ON events(terminal, kind, at)",
    "CREATE INDEX by_user ON events(user_id, kind, at) WHERE user_id IS NOT NULL",
)

# The page and the publisher count on growing numbers, also when the newest events were erased.
_NUMBERS: Final = (
    """CREATE TRIGGER last_number BEFORE DELETE ON events
       WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq > OLD.seq) BEGIN
         INSERT INTO meta VALUES('highest_seq', OLD.seq)
         ON CONFLICT DO UPDATE SET value = max(value, excluded.value);
       END""",
)

# Counts per hour are kept, not counted: a year of them is read in a millisecond.
_DAYS: Final = (
    """CREATE TABLE tally(
        day INTEGER NOT NULL,
        hour INTEGER NOT NULL,
        terminal INTEGER NOT NULL,
        punches INTEGER NOT NULL,
        PRIMARY KEY(day, hour, terminal)) WITHOUT ROWID""",
    """CREATE TRIGGER tally_more AFTER INSERT ON events
       WHEN NEW.kind = 0 AND NEW.day IS NOT NULL BEGIN
         INSERT INTO tally VALUES(NEW.day, NEW.hour, NEW.terminal, 1)
         ON CONFLICT DO UPDATE SET punches = punches + 1;
       END""",
    """CREATE TRIGGER tally_less AFTER DELETE ON events
       WHEN OLD.kind = 0 AND OLD.day IS NOT NULL BEGIN
         UPDATE tally SET punches = punches - 1
         WHERE day = OLD.day AND terminal = OLD.terminal AND hour = OLD.hour;
       END""",
    "CREATE INDEX by_day ON events(day, user_id, at, user_name) WHERE kind = 0 AND day IS NOT NULL",
)

SCHEMA: Final = (*_TABLES, *_INDEXES, *_NUMBERS, *_DAYS)
VERSION: Final = 1
