-- When a place was first published and last changed: the Curb Data Specification asks for both of every zone
-- and space. Kept here, since the installation file says neither.
ALTER TABLE lot
    ADD COLUMN published_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE bay
    ADD COLUMN published_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END
$$;
-- An import writes every lot and bay anew; only what differs has changed.
CREATE TRIGGER lot_changed BEFORE UPDATE ON lot FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION note_change();
CREATE TRIGGER bay_changed BEFORE UPDATE ON bay FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION note_change();
