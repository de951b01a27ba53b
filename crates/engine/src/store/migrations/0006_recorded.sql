-- A run is recorded with its number, or when it was sent and no answer came; then it is promised.
ALTER TABLE run DROP COLUMN once;
