-- The index: what the trees cannot hold, and a read model of what they do. Times are unix seconds.

CREATE TABLE prefix (
    id   INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT;

-- One row a job, as listings show it: small, so that a listing reads few pages.
CREATE TABLE job (
    key        INTEGER PRIMARY KEY AUTOINCREMENT,
    prefix     INTEGER NOT NULL REFERENCES prefix(id),
    jobid      TEXT NOT NULL,
    number     REAL NOT NULL,            -- the jobid as a number: the order of listings
    name       TEXT,
    owner      TEXT NOT NULL,
    backend    TEXT NOT NULL,
    generation INTEGER NOT NULL,         -- 1, 2, 3: in whose manner callbacks are told
    created    REAL NOT NULL,
    updated    REAL NOT NULL,
    jobndx     INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    info       TEXT NOT NULL,
    live       INTEGER NOT NULL,         -- number of runs that are, or may still be, under way
    next_ndx   INTEGER NOT NULL,
    offset     INTEGER NOT NULL,         -- so many bytes of status.csv are taken in
    cancel     INTEGER NOT NULL DEFAULT 0 -- 1: to be canceled, and not yet recorded as such
) STRICT;
CREATE UNIQUE INDEX job_id ON job(prefix, jobid);
CREATE INDEX job_prefix_order ON job(prefix, number);
-- All but completed (3): what people filter for is rare among what is done.
CREATE INDEX job_state_order ON job(prefix, state, number) WHERE state <> 3;
CREATE INDEX job_unfinished ON job(key) WHERE live > 0 OR cancel = 1;

CREATE TABLE spec (
    job           INTEGER PRIMARY KEY REFERENCES job(key),
    text          TEXT NOT NULL,         -- spec.json, byte for byte
    callback      TEXT,                  -- URL, if transitions are to be told
    client_secret TEXT,
    config        TEXT NOT NULL          -- the backend's settings, frozen at creation (JSON)
) STRICT;

CREATE TABLE run (
    job      INTEGER NOT NULL REFERENCES job(key),
    jobndx   INTEGER NOT NULL,
    state    INTEGER,                    -- NULL: nothing is known of it yet
    phase    INTEGER NOT NULL,           -- 0 intended, 1 the batch system has it, 2 over
    marker   TEXT NOT NULL,              -- '' : somebody else's run
    native   TEXT,
    queued   REAL NOT NULL DEFAULT 0,
    claim    TEXT,                       -- the process that is handing it over
    task     INTEGER,                    -- array task
    first    INTEGER,                    -- first jobndx of the array
    at_most  INTEGER,                    -- tasks at the same time
    environment BLOB,                    -- of the submitter, until the run is handed over
    seen     REAL NOT NULL DEFAULT 0,    -- when the batch system or the runner last gave evidence
    PRIMARY KEY (job, jobndx)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_open ON run(job, jobndx) WHERE phase < 2;

-- Every fact, once, in the order in which it was recorded.
CREATE TABLE event (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    job      INTEGER NOT NULL,
    time     REAL NOT NULL,
    jobndx   INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    info     TEXT NOT NULL,
    evidence INTEGER NOT NULL,
    recorded REAL NOT NULL,
    offset   INTEGER NOT NULL            -- where its row starts in status.csv
) STRICT;
CREATE UNIQUE INDEX event_row ON event(job, offset);

CREATE TABLE delivery (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    job      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    jobndx   INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    body     TEXT NOT NULL,              -- exactly the bytes that are sent
    status   INTEGER NOT NULL,           -- 0 pending, 1 delivered, 2 expired
    attempts INTEGER NOT NULL DEFAULT 0,
    created  REAL NOT NULL,
    next     REAL,                       -- when it is due; NULL: behind an earlier one of the same job, or done
    lease    REAL NOT NULL DEFAULT 0,    -- somebody is sending it until then
    noted    INTEGER NOT NULL DEFAULT 0, -- 1: the job's console says that it did not succeed at once
    last     TEXT
) STRICT;
CREATE INDEX delivery_due ON delivery(next) WHERE status = 0 AND next IS NOT NULL;
CREATE INDEX delivery_job ON delivery(job, id);

CREATE TABLE idempotency (
    owner   TEXT NOT NULL,
    key     TEXT NOT NULL,
    digest  BLOB NOT NULL,
    job     INTEGER NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('removals', '0');
