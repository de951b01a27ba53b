-- Runs that are to be stopped before it is known whether their batch system has them.

-- 1: it is to be stopped, and its batch system was not told yet. (`once` stays: a gateway of an older version may be running.)
ALTER TABLE run ADD COLUMN cancel INTEGER NOT NULL DEFAULT 0;
UPDATE run SET cancel = 1 WHERE phase = 0 AND job IN (SELECT key FROM job WHERE cancel = 1);

-- Which directory a prefix is: where another one is found, nothing is mounted, and no job was deleted. NULL: not known.
ALTER TABLE prefix ADD COLUMN inode INTEGER;
