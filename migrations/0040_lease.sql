-- Work that one process does for all of them. Whoever holds a lease does it; who does not renew it loses it.
-- Times are the database's: processes' clocks need not agree.
CREATE TABLE lease (
    name       text PRIMARY KEY,
    -- The process, under a name that it makes anew each time it starts.
    holder     uuid NOT NULL,
    renewed_at timestamptz NOT NULL,
    until      timestamptz NOT NULL CONSTRAINT lease_until CHECK (until > renewed_at)
);
