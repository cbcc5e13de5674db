-- no-transaction
-- How often an exemption was used.
CREATE INDEX CONCURRENTLY session_exemption ON session (exemption_id) WHERE exemption_id IS NOT NULL;
