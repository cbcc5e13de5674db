-- How long a session's vehicle had parked in the zone shortly before, in seconds: free minutes are had once
-- (domain::tariff). Decided when it begins. A process that does not know of it opens sessions as before.
SET LOCAL lock_timeout = '3s';

ALTER TABLE session ADD COLUMN parked_before_s integer NOT NULL DEFAULT 0;
