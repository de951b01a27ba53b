-- The local queue: what came with version 2.

CREATE INDEX run_array ON run (array_id) WHERE array_id IS NOT NULL;
CREATE INDEX run_deadline ON run (deadline) WHERE phase = 0 AND deadline IS NOT NULL;
CREATE INDEX run_qos ON run (qos, owner) WHERE phase < 2 AND qos IS NOT NULL;
CREATE INDEX run_revision ON run (revision);

-- What was changed of nodes and partitions since they were configured, and reservations; JSON.
CREATE TABLE node (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE partition (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE reservation (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- How far all of this has changed, and when (unix seconds). One row.
CREATE TABLE revision (
    number       INTEGER NOT NULL,
    inventory    INTEGER NOT NULL, -- of the last change of a node, partition or reservation
    runs         REAL NOT NULL,
    nodes        REAL NOT NULL,
    partitions   REAL NOT NULL,
    reservations REAL NOT NULL
) STRICT;
INSERT INTO revision VALUES (0, 0, 0, 0, 0, 0);

-- What the scheduler has done. One row; JSON.
CREATE TABLE counters (record TEXT NOT NULL) STRICT;
INSERT INTO counters VALUES ('{}');

CREATE TRIGGER run_added AFTER INSERT ON run BEGIN
    UPDATE run SET revision = (SELECT number + 1 FROM revision) WHERE id = new.id;
END;
CREATE TRIGGER run_changed AFTER UPDATE OF
    native, name, priority, need, minutes, begin, requeue, phase, blocked, cancel, pid, started, ended, state, info,
    options, partitions, partition, account, qos, reservations, reservation, nice, eligible, deadline, expected,
    suspended, reason, awaited, array_id, array_count, allocation, restarts, stop
ON run BEGIN
    UPDATE run SET revision = (SELECT number + 1 FROM revision) WHERE id = new.id;
END;
