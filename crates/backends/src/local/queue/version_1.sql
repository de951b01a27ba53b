-- A queue as version 1 left it: a run that failed, one that runs with memory and licences, a held one in a partition with cores
-- of its own, one that waits for another, and an array of which one task runs; the machine is drained.
BEGIN TRANSACTION;
CREATE TABLE awaits (
    target INTEGER NOT NULL,
    run    INTEGER NOT NULL,
    PRIMARY KEY (target, run)
) STRICT, WITHOUT ROWID;
INSERT INTO "awaits" VALUES(2,4);
CREATE TABLE environment (
    id   INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    body BLOB NOT NULL            -- KEY=VALUE NUL KEY=VALUE NUL ...
) STRICT;
INSERT INTO "environment" VALUES(1,-4960344088258525073,X'504154483D2F7573722F62696E3A2F62696E00');
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
    priority     INTEGER NOT NULL,
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
    blocked      INTEGER NOT NULL, -- bits: 1 unconfirmed, 2 held, 4 dependency, 8 begin, 16 array limit, 32 never
    attempts     INTEGER NOT NULL DEFAULT 0,
    actives      INTEGER NOT NULL DEFAULT 0, -- `active` rows of earlier attempts
    cancel       INTEGER NOT NULL DEFAULT 0,
    pid          INTEGER,
    start_ticks  INTEGER,
    boot         TEXT,
    gpus         TEXT NOT NULL DEFAULT '[]',
    started      REAL,
    ended        REAL,
    state        INTEGER,
    info         TEXT
) STRICT;
INSERT INTO "run" VALUES(1,'0.001-1',X'2F702F302E303031','0.001',1,'22601','alice',1.79533886368511939046e+09,NULL,0,'{"cores":1}',10,NULL,0,NULL,NULL,NULL,'[]',1,2,0,0,0,0,22601,1733372,'11111111-2222-3333-4444-555555555555','[]',1.79533886368511939046e+09,1.79533886371920704838e+09,4,'3');
INSERT INTO "run" VALUES(2,'0.002-1',X'2F702F302E303032','0.002',1,'22611','alice',1.79533886372424101827e+09,NULL,0,'{"cores":1,"memory":1073741824,"counters":{"licence:matlab":2}}',10,NULL,0,NULL,NULL,NULL,'[]',1,1,1,0,0,0,22611,1733376,'11111111-2222-3333-4444-555555555555','[]',1.79533886372424101827e+09,NULL,NULL,NULL);
INSERT INTO "run" VALUES(3,'0.003-1',X'2F702F302E303033','0.003',1,'10000003','alice',1.79533886373157310491e+09,NULL,17,'{"cores":1,"counters":{"partition:fast":1}}',10,NULL,0,NULL,NULL,NULL,'[]',1,0,2,0,0,0,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(4,'0.004-1',X'2F702F302E303034','0.004',1,'10000004','alice',1.79533886373376607888e+09,NULL,0,'{"cores":1}',10,NULL,0,'{"all":true,"conditions":[{"Runs":["Ok",[2]]}]}',NULL,NULL,'[]',1,0,4,0,0,0,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(5,'0.005-4',X'2F702F302E303035','0.005',4,'22616','alice',1.79533886374071073536e+09,NULL,0,'{"cores":1}',10,NULL,0,NULL,1,1,'[["SLURM_ARRAY_JOB_ID","0.005"],["SLURM_ARRAY_TASK_ID","3"],["SLURM_ARRAY_TASK_COUNT","2"],["SLURM_ARRAY_TASK_MIN","3"],["SLURM_ARRAY_TASK_MAX","5"],["SLURM_ARRAY_TASK_STEP","2"]]',1,1,1,0,0,0,22616,1733377,'11111111-2222-3333-4444-555555555555','[]',1.79533886374071073536e+09,NULL,NULL,NULL);
INSERT INTO "run" VALUES(6,'0.005-6',X'2F702F302E303035','0.005',6,'10000006','alice',1.79533886374678897861e+09,NULL,0,'{"cores":1}',10,NULL,0,NULL,1,1,'[["SLURM_ARRAY_JOB_ID","0.005"],["SLURM_ARRAY_TASK_ID","5"],["SLURM_ARRAY_TASK_COUNT","2"],["SLURM_ARRAY_TASK_MIN","3"],["SLURM_ARRAY_TASK_MAX","5"],["SLURM_ARRAY_TASK_STEP","2"]]',1,0,16,0,0,0,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL);
CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "setting" VALUES('drained','yes');
CREATE INDEX environment_hash ON environment (hash);
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
CREATE INDEX awaits_run ON awaits (run);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('run',6);
COMMIT;
PRAGMA user_version = 1;
