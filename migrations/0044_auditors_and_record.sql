-- Who reads what the city's staff read, and changes nothing. A program of the version before does not know the word:
-- add the first auditor once all programs are new.
ALTER TABLE staff
    DROP CONSTRAINT staff_role,
    ADD CONSTRAINT staff_role CHECK (role IN ('staff', 'administrator', 'auditor')),
    ADD CONSTRAINT staff_auditor_is_the_city_s CHECK (role <> 'auditor' OR operator_id IS NULL);

-- Where money goes, what parking costs and whose word of a device counts are changed by commands, or by whoever has
-- the owner's password: each change is on the record, with what was there before.
CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit (at, actor, action, detail)
        VALUES (now(), 'database:' || session_user,
                TG_TABLE_NAME || CASE TG_OP WHEN 'INSERT' THEN '.add' WHEN 'UPDATE' THEN '.change' ELSE '.remove' END,
                jsonb_build_object('before', to_jsonb(OLD), 'after', to_jsonb(NEW)));
    RETURN NULL;
END
$$;
CREATE TRIGGER operator_recorded AFTER INSERT OR DELETE ON operator
    FOR EACH ROW EXECUTE FUNCTION record_change();
CREATE TRIGGER operator_change_recorded AFTER UPDATE ON operator
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION record_change();
CREATE TRIGGER tariff_recorded AFTER INSERT OR DELETE ON tariff
    FOR EACH ROW EXECUTE FUNCTION record_change();
CREATE TRIGGER tariff_change_recorded AFTER UPDATE ON tariff
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION record_change();
CREATE TRIGGER device_key_recorded AFTER UPDATE ON device
    FOR EACH ROW WHEN ((OLD.signing, OLD.public_key) IS DISTINCT FROM (NEW.signing, NEW.public_key))
    EXECUTE FUNCTION record_change();
ALTER TABLE operator ENABLE ALWAYS TRIGGER operator_recorded, ENABLE ALWAYS TRIGGER operator_change_recorded;
ALTER TABLE tariff ENABLE ALWAYS TRIGGER tariff_recorded, ENABLE ALWAYS TRIGGER tariff_change_recorded;
ALTER TABLE device ENABLE ALWAYS TRIGGER device_key_recorded;
