-- What is told of a run's submission when the power has failed.

-- When a run was intended, and during which boot of this machine: until it is known that it was handed over.
ALTER TABLE run ADD COLUMN intended REAL NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN boot TEXT;
UPDATE run SET intended = (SELECT created FROM job WHERE job.key = run.job) WHERE phase = 0;

-- A job's description in its batch system's own terms, as it is in its directory.
ALTER TABLE spec ADD COLUMN description BLOB;
