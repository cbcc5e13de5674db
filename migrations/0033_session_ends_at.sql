-- Sessions in force, and those that ended lately, are looked for by their end: for the board, for those that
-- have run out, and for one plate in two bays.
CREATE INDEX session_paid_ends_at ON session (ends_at) WHERE status = 'paid';
