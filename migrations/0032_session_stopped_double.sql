-- A session that had wholly been paid for by another one is given back, and ends with that: else its
-- time could be used once more when the other ends early or moves away.
ALTER TABLE session
    DROP CONSTRAINT session_stopped_by,
    ADD CONSTRAINT session_stopped_by CHECK (stopped_by IN ('driver', 'sensor', 'staff', 'double'));
