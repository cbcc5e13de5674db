-- no-transaction
-- Sessions that are paid for when they end and have not ended: few, however long the past.
CREATE INDEX CONCURRENTLY session_metered ON session (session_id)
    WHERE metered AND status = 'paid' AND stopped_at IS NULL;
