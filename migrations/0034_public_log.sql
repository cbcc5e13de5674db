-- The public log of revenue: every receipt and every refund of one, one entry each, in a Merkle tree that is
-- only ever added to.

-- What waits for its place in the log, written by the transaction that makes the receipt or the refund, whoever
-- that is. A waiting row takes no lock that another payment needs; places are given out afterwards, by one.
CREATE TABLE log_queue (
    log_queue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    city_id      integer NOT NULL,
    receipt_id   uuid,
    refund_id    uuid,
    -- Chance that hides what the entry promises, until the receipt is shown.
    salt         bytea NOT NULL CONSTRAINT log_queue_salt CHECK (octet_length(salt) = 16),
    CONSTRAINT log_queue_of_one CHECK (num_nonnulls(receipt_id, refund_id) = 1)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE FUNCTION log_receipts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_queue (city_id, receipt_id, salt)
        SELECT lot.city_id, fresh.receipt_id, uuid_send(gen_random_uuid()) FROM fresh JOIN lot USING (lot_id);
    RETURN NULL;
END
$$;
-- A refund that gives back no revenue, for its money never was any, has no day.
CREATE FUNCTION log_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_queue (city_id, refund_id, salt)
        SELECT lot.city_id, fresh.refund_id, uuid_send(gen_random_uuid()) FROM fresh JOIN lot USING (lot_id)
        WHERE fresh.day IS NOT NULL AND EXISTS (SELECT FROM receipt WHERE receipt.payment_id = fresh.payment_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER receipt_logged AFTER INSERT ON receipt REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION log_receipts();
CREATE TRIGGER refund_logged AFTER INSERT ON refund REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION log_refunds();
ALTER TABLE receipt ENABLE ALWAYS TRIGGER receipt_logged;
ALTER TABLE refund ENABLE ALWAYS TRIGGER refund_logged;

-- The entries, by their place.
CREATE TABLE log_leaf (
    city_id    integer NOT NULL REFERENCES city,
    leaf_index bigint NOT NULL CONSTRAINT log_leaf_index CHECK (leaf_index >= 0),
    receipt_id uuid CONSTRAINT log_leaf_receipt UNIQUE REFERENCES receipt,
    refund_id  uuid CONSTRAINT log_leaf_refund UNIQUE REFERENCES refund,
    salt       bytea NOT NULL CONSTRAINT log_leaf_salt CHECK (octet_length(salt) = 16),
    -- The day on which it counts, as its bytes say.
    day        date NOT NULL,
    -- Its bytes, as the tree hashes them and as they are served.
    entry      bytea NOT NULL CONSTRAINT log_leaf_entry CHECK (octet_length(entry) BETWEEN 1 AND 65535),
    PRIMARY KEY (city_id, leaf_index),
    CONSTRAINT log_leaf_of_one CHECK (num_nonnulls(receipt_id, refund_id) = 1)
);
-- Which is the last entry of a day: whether its report has all of them.
CREATE INDEX log_leaf_day ON log_leaf (city_id, day, leaf_index);
CREATE TRIGGER log_leaf_append_only BEFORE UPDATE OR DELETE ON log_leaf
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_leaf_no_truncate BEFORE TRUNCATE ON log_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The tree's hashes, 256 to a row: https://c2sp.org/tlog-tiles. The last tile of a level grows.
CREATE TABLE log_tile (
    city_id    integer NOT NULL REFERENCES city,
    level      smallint NOT NULL CONSTRAINT log_tile_level CHECK (level BETWEEN 0 AND 7),
    tile_index bigint NOT NULL CONSTRAINT log_tile_index CHECK (tile_index >= 0),
    hashes     bytea NOT NULL CONSTRAINT log_tile_hashes
        CHECK (octet_length(hashes) % 32 = 0 AND octet_length(hashes) BETWEEN 32 AND 8192),
    PRIMARY KEY (city_id, level, tile_index)
);
-- Hashes do not compress.
ALTER TABLE log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- The newest signed tree head of each city.
CREATE TABLE log_head (
    city_id      integer PRIMARY KEY REFERENCES city,
    size         bigint NOT NULL CONSTRAINT log_head_size CHECK (size >= 0),
    root         bytea NOT NULL CONSTRAINT log_head_root CHECK (octet_length(root) = 32),
    checkpoint   bytea NOT NULL,
    published_at timestamptz NOT NULL
);

-- Signed reports of finished days. Money that a bank tells late makes another revision, which does not take the
-- earlier one's place: both stay.
CREATE TABLE log_report (
    city_id   integer NOT NULL REFERENCES city,
    day       date NOT NULL,
    revision  integer NOT NULL CONSTRAINT log_report_revision CHECK (revision > 0),
    -- How many entries its tree has.
    size      bigint NOT NULL CONSTRAINT log_report_size CHECK (size >= 0),
    note      bytea NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (city_id, day, revision)
);
CREATE TRIGGER log_report_append_only BEFORE UPDATE OR DELETE ON log_report
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_report_no_truncate BEFORE TRUNCATE ON log_report
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was there before the log, day by day: entries come in the order in which they count.
INSERT INTO log_queue (city_id, receipt_id, refund_id, salt)
    SELECT city_id, receipt_id, refund_id, uuid_send(gen_random_uuid())
    FROM (SELECT lot.city_id, receipt_id, NULL::uuid AS refund_id, receipt.day, issued_at AS at
          FROM receipt JOIN lot USING (lot_id)
          UNION ALL
          SELECT lot.city_id, NULL, refund_id, refund.day, refund.created_at
          FROM refund JOIN receipt USING (payment_id) JOIN lot ON lot.lot_id = refund.lot_id
          WHERE refund.day IS NOT NULL) AS money
    ORDER BY day, receipt_id IS NULL, at;
