-- The newest tree head of each city's public log that others have witnessed: https://c2sp.org/tlog-witness
CREATE TABLE log_witnessed (
    city_id      integer PRIMARY KEY REFERENCES city,
    size         bigint NOT NULL CONSTRAINT log_witnessed_size CHECK (size >= 0),
    root         bytea NOT NULL CONSTRAINT log_witnessed_root CHECK (octet_length(root) = 32),
    -- As the log signed it.
    checkpoint   bytea NOT NULL,
    -- The witnesses' lines, which belong below it.
    cosignatures bytea NOT NULL,
    witnessed_at timestamptz NOT NULL
);
