-- Runs that were sent to their batch system before they were recorded.

-- Not later than then.
ALTER TABLE run ADD COLUMN sent REAL;
-- 1: nobody was promised anything yet: it is looked for, and never sent again.
ALTER TABLE run ADD COLUMN once INTEGER NOT NULL DEFAULT 0;
-- 1: the job is described in its batch system's own terms.
ALTER TABLE run ADD COLUMN described INTEGER NOT NULL DEFAULT 0;
UPDATE run SET described = 1 WHERE job IN (SELECT job FROM spec WHERE description IS NOT NULL);
