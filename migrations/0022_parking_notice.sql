-- What a vehicle owes that stood without paying: written by whoever found it there, paid by its driver
-- online. It is no fine: its price is the tariff's for the time that nobody paid for.
CREATE TABLE parking_notice (
    parking_notice_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What is printed and typed: ten letters and digits at random, for whoever knows it may read the notice.
    code         text NOT NULL UNIQUE CONSTRAINT parking_notice_code CHECK (code ~ '^[0-9A-HJKMNP-TV-Z]{10}$'),
    bay_id       integer NOT NULL REFERENCES bay,
    -- Personal data: never logged, never public.
    plate        text NOT NULL CONSTRAINT parking_notice_plate CHECK (length(plate) BETWEEN 4 AND 12),
    class        text NOT NULL CONSTRAINT parking_notice_class CHECK (class IN ('car', 'motorbike')),
    -- The time that nobody had paid for.
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    -- What that cost then, for staff's list; the driver pays by the same tariff.
    amount_vnd   bigint NOT NULL CONSTRAINT parking_notice_amount CHECK (amount_vnd > 0),
    issued_by    integer NOT NULL REFERENCES staff,
    issued_at    timestamptz NOT NULL,
    withdrawn_at timestamptz,
    withdrawn_why text,
    CONSTRAINT parking_notice_has_length CHECK (ends_at > starts_at),
    CONSTRAINT parking_notice_withdrawn CHECK ((withdrawn_at IS NULL) = (withdrawn_why IS NULL)),
    -- Nobody is noticed twice for the same time, even by two guards at once.
    CONSTRAINT parking_notice_once UNIQUE (bay_id, plate, starts_at)
);
CREATE INDEX parking_notice_issued_at ON parking_notice (issued_at);

-- By which sessions drivers paid for a notice, or began to.
CREATE TABLE parking_notice_session (
    session_id        uuid PRIMARY KEY REFERENCES session,
    parking_notice_id integer NOT NULL REFERENCES parking_notice
);
CREATE INDEX parking_notice_session_of ON parking_notice_session (parking_notice_id);

ALTER TABLE audit ADD COLUMN parking_notice text;

-- Whose sessions and notices a plate has lately: for whoever stands before the vehicle.
CREATE INDEX session_plate ON session (plate, ends_at);
