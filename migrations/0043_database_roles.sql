-- What lets the programs run as roles that own nothing (store/src/roles.rs grants): whatever needs more than a
-- program may do itself is done by a function or a trigger with its owner's rights.

-- What was written stays, whatever a session has set and whoever it is.
CREATE TRIGGER invoice_no_truncate BEFORE TRUNCATE ON invoice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoice ENABLE ALWAYS TRIGGER invoice_append_only, ENABLE ALWAYS TRIGGER invoice_no_truncate;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only, ENABLE ALWAYS TRIGGER audit_no_truncate;
ALTER TABLE log_leaf ENABLE ALWAYS TRIGGER log_leaf_append_only, ENABLE ALWAYS TRIGGER log_leaf_no_truncate;
ALTER TABLE log_report ENABLE ALWAYS TRIGGER log_report_append_only, ENABLE ALWAYS TRIGGER log_report_no_truncate;
ALTER TABLE refund ENABLE ALWAYS TRIGGER refund_no_delete, ENABLE ALWAYS TRIGGER refund_no_truncate,
    ENABLE ALWAYS TRIGGER refund_amount_stands, ENABLE ALWAYS TRIGGER refund_within_money;
ALTER TABLE wallet ENABLE ALWAYS TRIGGER wallet_by_transfers_only;

-- Forgets events of times before `before`: whole chunks of a hypertable, else `most` rows. Returns how many chunks
-- or rows that were. Ingest may call it, and cannot delete an event otherwise.
CREATE FUNCTION events_forget(before timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE gone bigint;
BEGIN
    IF before > now() - interval '7 days' THEN
        RAISE EXCEPTION 'events of the last seven days stay' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb') THEN
        SELECT count(*) INTO gone FROM drop_chunks('event', before);
    ELSE
        DELETE FROM event WHERE ctid = ANY (ARRAY(SELECT ctid FROM event WHERE at < before LIMIT most));
        GET DIAGNOSTICS gone = ROW_COUNT;
    END IF;
    RETURN gone;
END
$$;

-- Compresses the oldest chunk of events that lies before `before` and is not compressed, by device, as they are
-- read; returns its name, null where there is none. Needs TimescaleDB's community edition.
CREATE FUNCTION events_compress(before timestamptz) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE chunk text;
BEGIN
    IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = 'event') THEN
        ALTER TABLE event SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'at, seq');
    END IF;
    SELECT format('%I.%I', chunk_schema, chunk_name) INTO chunk FROM timescaledb_information.chunks
        WHERE hypertable_name = 'event' AND NOT is_compressed AND range_end <= before
        ORDER BY range_end LIMIT 1;
    IF chunk IS NOT NULL THEN
        PERFORM compress_chunk(chunk::regclass);
    END IF;
    RETURN chunk;
END
$$;

-- Functions with their owner's rights look up names where the tables are, not where their caller says, and may be
-- called by those alone who are granted it. Nobody needs that for a trigger's: who may write to its table sets it
-- off, and it cannot be put on another table.
DO $$
DECLARE
    tables text := (SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
                    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place));
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY['wallet_follow()', 'log_receipts()', 'log_refunds()', 'invoice_is_due()',
        'refund_is_due()', 'events_forget(timestamptz, integer)', 'events_compress(timestamptz)']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %s, pg_temp', signature, tables);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
END
$$;
