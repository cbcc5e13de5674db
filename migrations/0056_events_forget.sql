-- Old events of a plain table are found by device, as its key has them: by time alone, all of the table would be read.
CREATE OR REPLACE FUNCTION events_forget(before timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE gone bigint;
BEGIN
    IF before > now() - interval '7 days' THEN
        RAISE EXCEPTION 'events of the last seven days stay' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb') THEN
        SELECT count(*) INTO gone FROM drop_chunks('event', before);
    ELSE
        DELETE FROM event WHERE ctid = ANY (ARRAY(
            SELECT old.ctid FROM device CROSS JOIN LATERAL (
                SELECT event.ctid FROM event
                WHERE event.device_id = device.device_id AND at < before LIMIT most) AS old
            LIMIT most));
        GET DIAGNOSTICS gone = ROW_COUNT;
    END IF;
    RETURN gone;
END
$$;

-- As in 0043: names are looked up where the tables are, not where the caller says.
DO $$
DECLARE
    tables text := (SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
                    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place));
BEGIN
    EXECUTE format('ALTER FUNCTION events_forget(timestamptz, integer) SET search_path = %s, pg_temp', tables);
END
$$;
