-- The durable log, version 1.  Run once, inside the transaction that sets user_version.

-- A piece is a stretch of a room's log that was said in one batch, as codec.py packs it.
-- The key is the order in which it is read, so the table is its own index; the body stands
-- last, so that a look at the other columns does not read it.
CREATE TABLE pieces (
    room    INTEGER NOT NULL,   -- rooms.id
    first   INTEGER NOT NULL,   -- sequence number of its first message
    last    INTEGER NOT NULL,   -- and of its last
    millis  INTEGER NOT NULL,   -- Unix time in milliseconds
    peak    INTEGER NOT NULL,   -- the highest millis up to here: never falls, so it can be searched
    crc     INTEGER NOT NULL,   -- over the room's name, first, last, millis and body
    body    BLOB NOT NULL,
    PRIMARY KEY (room, first)
) WITHOUT ROWID;

-- What is known of a room without reading its pieces, so that neither opening nor a
-- publish costs more when more is stored.
CREATE TABLE rooms (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    first   INTEGER NOT NULL,   -- lowest sequence number still kept; head + 1 if none is
    head    INTEGER NOT NULL,   -- highest ever given
    size    INTEGER NOT NULL,   -- bytes of its bodies; 0 if nothing is kept
    oldest  INTEGER NOT NULL,   -- millis of its oldest piece
    peak    INTEGER NOT NULL    -- that of its newest piece
);

-- The highest id that each client's messages were stored with.
CREATE TABLE marks (
    client  BLOB PRIMARY KEY,
    id      INTEGER NOT NULL,
    seq     INTEGER NOT NULL,   -- where that message stands in its room
    millis  INTEGER NOT NULL    -- no earlier than any message that it guards
) WITHOUT ROWID;

-- One row: the highest head among the rooms whose rows are gone.
CREATE TABLE forgotten (
    floor   INTEGER NOT NULL
);
INSERT INTO forgotten VALUES (0);

-- All that a group changes goes in here as ONE statement, a row for each piece, room and
-- mark, told apart by `kind`; rows of no kind fill up.  The reason: each step of a statement
-- hands over Python's interpreter lock, and taking it back from a busy reactor costs up to
-- 5 ms.  One statement made 127 commits/s beside a busy thread, one for each row 15 to 57.
CREATE VIEW writes AS
    SELECT NULL AS kind, NULL AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS e, NULL AS f, NULL AS g;

CREATE TRIGGER write_piece INSTEAD OF INSERT ON writes WHEN NEW.kind = 1 BEGIN
    INSERT INTO pieces VALUES (NEW.a, NEW.b, NEW.c, NEW.d, NEW.e, NEW.f, NEW.g);
END;

CREATE TRIGGER write_room INSTEAD OF INSERT ON writes WHEN NEW.kind = 2 BEGIN
    INSERT INTO rooms VALUES (NEW.a, NEW.b, NEW.c, NEW.d, NEW.e, NEW.f, NEW.g)
    ON CONFLICT (id) DO UPDATE SET
        first = excluded.first, head = excluded.head, size = excluded.size,
        oldest = excluded.oldest, peak = excluded.peak;
END;

CREATE TRIGGER write_mark INSTEAD OF INSERT ON writes WHEN NEW.kind = 3 BEGIN
    INSERT INTO marks VALUES (NEW.a, NEW.b, NEW.c, NEW.d)
    ON CONFLICT (client) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, millis = excluded.millis
    WHERE excluded.id > id;
END;
