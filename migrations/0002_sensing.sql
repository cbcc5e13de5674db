-- What devices said, and what follows from it.

-- Every distinct statement of a device, by the device's own time. The primary key makes a
-- repetition a no-op; "occupied" is part of it so that a device which contradicts itself under one
-- time and counter is kept whole and the outcome does not depend on what arrived first.
CREATE TABLE event (
    bay_id         integer NOT NULL,
    at             timestamptz NOT NULL,
    seq            bigint NOT NULL,
    occupied       boolean NOT NULL,
    device_id      integer NOT NULL,
    received_at    timestamptz NOT NULL,
    battery_mv     integer,
    -- Tenths of a degree Celsius.
    temperature_dc smallint,
    PRIMARY KEY (bay_id, at, seq, occupied)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('event', by_range('at', INTERVAL '7 days'), create_default_indexes => false);
    END IF;
END
$$;

-- Messages that gave no event: kept whole, with the reason, for whoever installs devices.
CREATE TABLE refused_message (
    refused_message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at        timestamptz NOT NULL,
    topic              text NOT NULL,
    payload            bytea NOT NULL,
    -- A short code, one of ingest's: unknown_device, undecodable, clock_ahead, ...
    reason             text NOT NULL,
    detail             text NOT NULL
);
CREATE INDEX refused_message_received_at ON refused_message (received_at DESC);

-- Sensed, occupied intervals: a function of the events, folded in the same transaction.
CREATE TABLE stay (
    bay_id     integer NOT NULL REFERENCES bay,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    PRIMARY KEY (bay_id, started_at),
    CONSTRAINT stay_has_length CHECK (ended_at > started_at)
);
CREATE INDEX stay_started_at ON stay (started_at);

-- The last event of each bay, and since when its state holds. Locked by whoever folds.
CREATE TABLE bay_state (
    bay_id     integer PRIMARY KEY REFERENCES bay,
    last_at    timestamptz NOT NULL,
    last_seq   bigint NOT NULL,
    occupied   boolean NOT NULL,
    since      timestamptz NOT NULL
);
