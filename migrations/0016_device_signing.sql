-- Devices that sign what they say in Clearbay's own JSON. Keys for HMAC are derived from a secret
-- that is not in the database.
ALTER TABLE device
    ADD COLUMN signing text
        CONSTRAINT device_signing CHECK (signing IN ('hmac', 'ed25519')),
    -- Ed25519, as RFC 8032 encodes it.
    ADD COLUMN public_key bytea
        CONSTRAINT device_public_key_length CHECK (length(public_key) = 32),
    ADD CONSTRAINT device_public_key CHECK (
        (public_key IS NOT NULL) = (signing IS NOT DISTINCT FROM 'ed25519')),
    ADD CONSTRAINT device_signing_model CHECK (signing IS NULL OR model = 'clearbay');

-- The counters that signing devices have used, each with what was said under it: saying the same
-- again is a repetition, anything else under the same counter is a replay. Kept for as long as the
-- device's own time of a signed message may lie back.
CREATE TABLE device_counter (
    device_id integer NOT NULL REFERENCES device,
    seq       bigint NOT NULL,
    at        timestamptz NOT NULL,
    occupied  boolean NOT NULL,
    PRIMARY KEY (device_id, seq)
);
-- Rows come nearly in the order of their times, and leave in it.
CREATE INDEX device_counter_at ON device_counter USING brin (at) WITH (autosummarize = on);

-- How many messages of a device were refused for a reason by which somebody could fill the disk: of
-- those only the first of an hour are in refused_message, and all are counted here.
CREATE TABLE refused_tally (
    device  text NOT NULL,
    reason  text NOT NULL,
    -- The latest hour in which there was one, and how many there were in it.
    hour    timestamptz NOT NULL,
    in_hour bigint NOT NULL,
    total   bigint NOT NULL,
    PRIMARY KEY (device, reason),
    CONSTRAINT refused_tally_counts CHECK (in_hour > 0 AND total >= in_hour)
);

DROP INDEX refused_message_waiting;
CREATE INDEX refused_message_waiting ON refused_message (device)
    WHERE reason IN ('unknown_device', 'unconfigured', 'no_key');
