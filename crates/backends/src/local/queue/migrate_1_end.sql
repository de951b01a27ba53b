-- An array's id is its first task's.
UPDATE run SET
    array_id = (SELECT min(id) FROM run AS other WHERE other.base = run.base AND other.array_first = run.array_first),
    array_count = (SELECT count(*) FROM run AS other WHERE other.base = run.base AND other.array_first = run.array_first)
WHERE array_first IS NOT NULL;
-- The whole machine was drained: the one node is.
INSERT INTO node SELECT '', '{"drained":true}' FROM setting WHERE key = 'drained';
DELETE FROM setting WHERE key = 'drained';
UPDATE revision SET number = 1, inventory = 1;
