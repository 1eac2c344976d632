PRAGMA application_id = 2053857906;
BEGIN TRANSACTION;
CREATE TABLE events(
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
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
        published_offline INTEGER);
INSERT INTO "events" VALUES(1,1,0,0,1,1772438400000000,739677,8,'17','Ann',X'01B5CEFF3157503AAA3F3A6480','check_in',0,1772438400,-51744024625633,0,1772438400000000,'2026-03-02T08:00:00+00:00','fingerprint',1,'live',1772438400123457,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(2,1,0,0,1,1772438401000000,739677,8,'17','Ann',X'017131296078C860DA47E8CEDC','check_in',0,1772438401,-51744024625633,0,1772438401000000,'2026-03-02T08:00:01+00:00','fingerprint',1,'live',1772438401123457,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(3,1,0,0,0,1772438402000000,739677,8,'17','Ann',X'0140DF45B86B901FC8B4AE43B0','check_in',0,1772438402,-51744024625633,0,1772438402000000,'2026-03-02T08:00:02+00:00','fingerprint',1,'live',1772438402123457,NULL,NULL,NULL,0.0,12.5,'run-1',NULL);
CREATE TABLE known(
        log INTEGER NOT NULL,
        raw_time INTEGER NOT NULL,
        subject INTEGER NOT NULL,
        occurrence INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        PRIMARY KEY(log, raw_time, subject, occurrence)) WITHOUT ROWID;
INSERT INTO "known" VALUES(2,1772438400,-51744024625633,0,1);
INSERT INTO "known" VALUES(2,1772438401,-51744024625633,0,1);
INSERT INTO "known" VALUES(2,1772438402,-51744024625633,0,1);
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('clean',1);
INSERT INTO "meta" VALUES('instance','abcd1234');
INSERT INTO "meta" VALUES('life',2);
INSERT INTO "meta" VALUES('newest_seen',1772438402123457);
INSERT INTO "meta" VALUES('salt',X'1E818E735DE38A9FF3D673EA9F8450CD');
CREATE TABLE presence(
        user_id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE terminals(
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
        cursor_punches TEXT,
        cursor_operations TEXT,
        generation_punches INTEGER NOT NULL DEFAULT 1,
        generation_operations INTEGER NOT NULL DEFAULT 1,
        sdk_build TEXT,
        partial_rest_until INTEGER,
        facts TEXT NOT NULL DEFAULT '{}');
INSERT INTO "terminals" VALUES(1,'CJDE193560303','front_door','Front door','CJDE193560303','00:17:61:01:02:03','192.0.2.1',4370,1772438400000000,0,NULL,NULL,1,1,NULL,NULL,'{}');
CREATE TABLE topics(
        topic TEXT PRIMARY KEY,
        user_id TEXT,
        clear INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE undecodable(
        log INTEGER NOT NULL,
        digest BLOB NOT NULL,
        raw BLOB,
        first_seen INTEGER NOT NULL,
        PRIMARY KEY(log, digest)) WITHOUT ROWID;
CREATE TABLE views(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX pending ON events(lane, terminal, seq) WHERE state = 0;
CREATE INDEX refused ON events(seq) WHERE state = 2;
CREATE INDEX offline ON events(published_offline) WHERE published_offline IS NOT NULL;
CREATE INDEX by_time ON events(kind, at);
CREATE INDEX by_terminal ON events(terminal, kind, at);
CREATE INDEX by_user ON events(user_id, kind, at) WHERE user_id IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('terminals',1);
INSERT INTO "sqlite_sequence" VALUES('events',3);
COMMIT;
PRAGMA user_version = 1;
