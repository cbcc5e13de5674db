-- What lots' bays did, in buckets of a quarter of an hour: kept in the same transaction as the events
-- that it follows from, for ever. What is neither occupied nor free was unknown. A bay's present state
-- is added only when it ends; until then it stands in bay_state.
CREATE TABLE lot_occupancy (
    lot_id      integer NOT NULL REFERENCES lot,
    bucket      timestamptz NOT NULL,
    -- Bay-microseconds.
    occupied_us bigint NOT NULL,
    free_us     bigint NOT NULL,
    -- Vehicles that arrived.
    arrivals    integer NOT NULL,
    PRIMARY KEY (lot_id, bucket)
) WITH (fillfactor = 70);

-- What is wrong with a device, and since when. The kinds stuck, flapping and clock make it doubtful: its
-- bay is unknown in every figure while they last.
CREATE TABLE device_fault (
    device_fault_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id       integer NOT NULL REFERENCES device,
    kind            text NOT NULL CONSTRAINT device_fault_kind
                    CHECK (kind IN ('comms_lost', 'battery', 'stuck', 'flapping', 'clock')),
    since           timestamptz NOT NULL,
    -- Null while it lasts.
    until           timestamptz,
    -- Its particulars, for whoever repairs it.
    detail          text NOT NULL,
    CONSTRAINT device_fault_has_length CHECK (until > since)
);
CREATE UNIQUE INDEX device_fault_open ON device_fault (device_id, kind) WHERE until IS NULL;
CREATE INDEX device_fault_since ON device_fault (since);
