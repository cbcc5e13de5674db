-- Who is to be where and when, as an administrator plans it.
CREATE TABLE shift (
    shift_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    staff_id     integer NOT NULL REFERENCES staff,
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    note         text NOT NULL CONSTRAINT shift_note CHECK (length(note) <= 200),
    -- Kept, for the record names it.
    cancelled_at timestamptz,
    CONSTRAINT shift_length CHECK (ends_at - starts_at BETWEEN interval '15 minutes' AND interval '16 hours'),
    -- Nobody is in two places at once, whoever plans at the same moment.
    CONSTRAINT shift_one_place EXCLUDE USING gist (staff_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (cancelled_at IS NULL)
);
CREATE INDEX shift_time ON shift (starts_at) WHERE cancelled_at IS NULL;

-- Where it is.
CREATE TABLE shift_lot (
    shift_id integer NOT NULL REFERENCES shift ON DELETE CASCADE,
    lot_id   integer NOT NULL REFERENCES lot,
    PRIMARY KEY (shift_id, lot_id)
);
