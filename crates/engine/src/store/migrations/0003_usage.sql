-- What owners have: for quotas.

-- Runs under way or intended, by owner.
CREATE INDEX job_owner_live ON job(owner, live) WHERE live > 0;

-- What the directories of jobs take. A job without a row was never measured.
CREATE TABLE usage (
    job      INTEGER PRIMARY KEY REFERENCES job(key),
    bytes    INTEGER NOT NULL,
    changes  INTEGER NOT NULL,           -- how often something was stored, as far as is known
    counted  INTEGER NOT NULL,           -- the changes that `bytes` has taken in
    measured REAL NOT NULL               -- when
) STRICT;
CREATE INDEX usage_stale ON usage(job) WHERE counted <> changes;

-- The sums by owner.
CREATE TABLE stored (
    owner TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
