-- Handheld terminals, each with a token of its own: one that is lost ends by itself, and every session that one
-- uploads says which it was. Sessions without a terminal came from a driver, or by the token that all shared.
SET LOCAL lock_timeout = '3s';

CREATE TABLE terminal (
    terminal_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- In whose lots it sells.
    operator_id integer NOT NULL REFERENCES operator,
    name        text NOT NULL CONSTRAINT terminal_name CHECK (length(name) BETWEEN 1 AND 60),
    -- SHA-256 of 256 random bits, which are nowhere but in the terminal.
    token_hash  bytea NOT NULL CONSTRAINT terminal_token CHECK (octet_length(token_hash) = 32)
        CONSTRAINT terminal_token_unique UNIQUE,
    -- As the record says it: 'staff:<login>', or who runs the commands.
    made_by     text NOT NULL,
    made_at     timestamptz NOT NULL,
    ended_by    text,
    ended_at    timestamptz,
    CONSTRAINT terminal_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
-- A lost one's name is free for another.
CREATE UNIQUE INDEX terminal_name_unique ON terminal (operator_id, name) WHERE ended_at IS NULL;
-- What has ended has ended.
CREATE TRIGGER terminal_stays_ended BEFORE UPDATE ON terminal
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER terminal_stands BEFORE UPDATE OF terminal_id, operator_id, name, token_hash, made_by, made_at ON terminal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER terminal_no_delete BEFORE DELETE ON terminal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER terminal_no_truncate BEFORE TRUNCATE ON terminal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE terminal ENABLE ALWAYS TRIGGER terminal_stays_ended, ENABLE ALWAYS TRIGGER terminal_stands,
    ENABLE ALWAYS TRIGGER terminal_no_delete, ENABLE ALWAYS TRIGGER terminal_no_truncate;

-- Which terminal uploaded a session.
CREATE TABLE terminal_session (
    session_id  uuid PRIMARY KEY REFERENCES session,
    terminal_id integer NOT NULL REFERENCES terminal
);
CREATE INDEX terminal_session_terminal ON terminal_session (terminal_id);
CREATE TRIGGER terminal_session_append_only BEFORE UPDATE OR DELETE ON terminal_session
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER terminal_session_no_truncate BEFORE TRUNCATE ON terminal_session
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE terminal_session ENABLE ALWAYS TRIGGER terminal_session_append_only,
    ENABLE ALWAYS TRIGGER terminal_session_no_truncate;
