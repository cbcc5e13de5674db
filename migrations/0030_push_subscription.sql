-- Browsers that wish to be told before a session ends (RFC 8030). Rows live no longer than their session
-- and its grace.
CREATE TABLE push_subscription (
    push_subscription_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id     uuid NOT NULL REFERENCES session,
    -- The address that the browser's push service gave it. Whoever knows it may knock there: never logged.
    endpoint       text NOT NULL CONSTRAINT push_subscription_endpoint CHECK (length(endpoint) BETWEEN 1 AND 1024),
    -- The browser's public key, a point of P-256 in its uncompressed form, and its secret (RFC 8291).
    p256dh         bytea NOT NULL CONSTRAINT push_subscription_p256dh CHECK (length(p256dh) = 65),
    auth           bytea NOT NULL CONSTRAINT push_subscription_auth CHECK (length(auth) = 16),
    lang           text NOT NULL CONSTRAINT push_subscription_lang CHECK (lang IN ('vi', 'en')),
    -- The end of which it was warned last, and the one whose passing it was told last.
    warned_ends_at timestamptz,
    over_ends_at   timestamptz,
    -- When to look at it again. Whoever works on one moves this on first, so that no two do and a crash
    -- only delays it.
    due_at         timestamptz NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    CONSTRAINT push_subscription_once UNIQUE (session_id, endpoint)
);
CREATE INDEX push_subscription_due_at ON push_subscription (due_at);

-- An end that moves is looked at again at once, whoever moved it; after an early one there is nothing to
-- warn of.
CREATE FUNCTION push_subscription_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stopped_at IS NOT NULL THEN
        DELETE FROM push_subscription WHERE session_id = NEW.session_id;
    ELSE
        UPDATE push_subscription SET due_at = NEW.starts_at, attempts = 0 WHERE session_id = NEW.session_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER session_end_moves_pushes AFTER UPDATE OF ends_at, stopped_at ON session
    FOR EACH ROW WHEN ((OLD.ends_at, OLD.stopped_at) IS DISTINCT FROM (NEW.ends_at, NEW.stopped_at))
    EXECUTE FUNCTION push_subscription_follow();
