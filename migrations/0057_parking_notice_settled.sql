SET LOCAL lock_timeout = '3s';

-- Whether a notice waits for nothing any more: it is paid, or withdrawn. Neither is ever taken back. Kept by the database,
-- for programs of the version before write sessions and notices beside newer ones, and by its owner's rights, for no
-- program may say it.
ALTER TABLE parking_notice ADD COLUMN is_settled boolean NOT NULL DEFAULT false;

CREATE FUNCTION parking_notice_settle() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE parking_notice SET is_settled = true
    FROM parking_notice_session
    WHERE parking_notice_session.session_id = NEW.session_id
        AND parking_notice.parking_notice_id = parking_notice_session.parking_notice_id
        AND NOT parking_notice.is_settled
        AND EXISTS (SELECT FROM session WHERE session.session_id = NEW.session_id AND session.status = 'paid');
    RETURN NULL;
END $$;

CREATE FUNCTION parking_notice_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.is_settled := true;
    RETURN NEW;
END $$;

-- Where these tables are, and nowhere that whoever calls it names.
DO $$
DECLARE tables text := (SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
                        FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place));
BEGIN
    EXECUTE format('ALTER FUNCTION parking_notice_settle() SET search_path = %s, pg_temp', tables);
    REVOKE EXECUTE ON FUNCTION parking_notice_settle() FROM PUBLIC;
END $$;

CREATE TRIGGER session_settles_notice AFTER UPDATE OF status ON session
    FOR EACH ROW WHEN (NEW.status = 'paid' AND OLD.status <> 'paid') EXECUTE FUNCTION parking_notice_settle();
-- One that costs nothing any more is paid before it is known of which notice it is.
CREATE TRIGGER session_of_notice_settles AFTER INSERT ON parking_notice_session
    FOR EACH ROW EXECUTE FUNCTION parking_notice_settle();
CREATE TRIGGER parking_notice_withdrawn BEFORE INSERT OR UPDATE OF withdrawn_at ON parking_notice
    FOR EACH ROW WHEN (NEW.withdrawn_at IS NOT NULL) EXECUTE FUNCTION parking_notice_withdrawn();
