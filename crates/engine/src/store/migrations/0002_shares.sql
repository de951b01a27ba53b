-- With whom jobs are shared.

CREATE TABLE share (
    job     INTEGER NOT NULL REFERENCES job(key),
    user    TEXT NOT NULL,
    access  INTEGER NOT NULL,            -- 1 read, 2 write
    by      TEXT NOT NULL,               -- who shared it
    created REAL NOT NULL,
    PRIMARY KEY (job, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX share_user ON share(user, job);

-- Listings of one owner's jobs among very many.
CREATE INDEX job_owner_order ON job(prefix, owner, number);

-- Counts changes of shares: they change listings, and no event tells of them.
INSERT INTO meta VALUES ('shares', '0');
