-- The local queue, version 2: what was there in version 1 already. The rest is in cluster.sql.

-- An environment is stored once, however many runs inherit it.
CREATE TABLE environment (
    id   INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    body BLOB NOT NULL            -- KEY=VALUE NUL KEY=VALUE NUL ...
) STRICT;
CREATE INDEX environment_hash ON environment (hash);

CREATE TABLE run (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    marker       TEXT NOT NULL UNIQUE,
    base         BLOB NOT NULL,
    jobid        TEXT NOT NULL,
    jobndx       INTEGER NOT NULL,
    native       TEXT NOT NULL,    -- as in the queued row; never changes
    owner        TEXT NOT NULL,
    queued       REAL NOT NULL,    -- unix seconds
    name         TEXT,
    priority     INTEGER NOT NULL, -- the order: what was asked for, minus nice, plus partition's and quality of service's
    need         TEXT NOT NULL,    -- JSON
    minutes      INTEGER NOT NULL,
    begin        REAL,             -- unix seconds
    requeue      INTEGER NOT NULL,
    dependency   TEXT,             -- JSON, ids resolved to rows
    array_first  INTEGER,
    array_limit  INTEGER,
    additions    TEXT NOT NULL,    -- JSON: variables that the batch system adds
    environment  INTEGER NOT NULL,
    phase        INTEGER NOT NULL, -- 0 waiting, 1 running, 2 ended
    blocked      INTEGER NOT NULL, -- bits: 1 unconfirmed, 2 held, 4 dependency, 8 begin, 16 array limit, 32 never, 64 held by admin
    attempts     INTEGER NOT NULL DEFAULT 0,
    actives      INTEGER NOT NULL DEFAULT 0, -- `active` rows of earlier attempts
    cancel       INTEGER NOT NULL DEFAULT 0,
    pid          INTEGER,
    start_ticks  INTEGER,
    boot         TEXT,
    gpus         TEXT NOT NULL DEFAULT '[]', -- JSON: what CUDA_VISIBLE_DEVICES names
    started      REAL,
    ended        REAL,
    state        INTEGER,
    info         TEXT,
    options      TEXT NOT NULL DEFAULT '{}', -- JSON: sbatch's options, in order
    strict       INTEGER NOT NULL DEFAULT 0, -- asked for in Slurm's manner
    partitions   TEXT NOT NULL DEFAULT '',   -- that it may run in, with commas; empty: the default one
    partition    TEXT,                       -- that it was started in
    account      TEXT,
    qos          TEXT,
    reservations TEXT NOT NULL DEFAULT '',   -- that it asked for, with commas
    reservation  TEXT,                       -- that it was started in
    asked        INTEGER NOT NULL DEFAULT 0, -- the priority that was asked for
    nice         INTEGER NOT NULL DEFAULT 0,
    eligible     REAL,
    deadline     REAL,
    expected     REAL,
    suspended    REAL,
    paused       REAL NOT NULL DEFAULT 0,    -- seconds that it was suspended, without the present time
    reason       TEXT,                       -- why it waits, where that is not just its place in the order
    awaited      TEXT NOT NULL DEFAULT '',   -- the dependency in Slurm's form
    array_id     INTEGER,
    array_task   INTEGER,
    array_count  INTEGER,
    allocation   TEXT NOT NULL DEFAULT '[]', -- JSON
    restarts     INTEGER NOT NULL DEFAULT 0,
    stop         TEXT,                       -- JSON: what becomes of it once it is stopped
    stop_at      REAL,                       -- when it was told to stop
    revision     INTEGER NOT NULL DEFAULT 0  -- of its last change
) STRICT;
CREATE INDEX run_ready ON run (priority DESC, id) WHERE phase = 0 AND blocked = 0;
CREATE INDEX run_running ON run (id) WHERE phase = 1;
CREATE INDEX run_begin ON run (begin) WHERE phase = 0 AND (blocked & 8) <> 0;
CREATE INDEX run_unconfirmed ON run (queued) WHERE phase = 0 AND (blocked & 1) <> 0;
CREATE INDEX run_ended ON run (ended) WHERE phase = 2;
CREATE INDEX run_job ON run (jobid);
CREATE INDEX run_native ON run (native);
CREATE INDEX run_name ON run (owner, name) WHERE phase < 2;
CREATE INDEX run_array_free ON run (base, array_first)
    WHERE array_limit IS NOT NULL AND phase < 2 AND (blocked & 16) = 0;
CREATE INDEX run_array_blocked ON run (base, array_first, id)
    WHERE array_limit IS NOT NULL AND phase = 0 AND (blocked & 16) <> 0;

-- Which run waits for which other.
CREATE TABLE awaits (
    target INTEGER NOT NULL,
    run    INTEGER NOT NULL,
    PRIMARY KEY (target, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX awaits_run ON awaits (run);

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
