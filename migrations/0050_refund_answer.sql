-- What a driver is to read is kept with a proposed refund until a second person has decided: from then on it is the
-- dispute's alone, and goes with it (docs/privacy.md). Whoever writes a decision, of whatever version.
SET LOCAL lock_timeout = '3s';

CREATE FUNCTION refund_decision_forgets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.answer := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER refund_decision_forgets BEFORE INSERT OR UPDATE OF status ON refund_decision
    FOR EACH ROW WHEN (NEW.status <> 'open') EXECUTE FUNCTION refund_decision_forgets();

-- What is kept already; nothing else of a decision ever changes.
ALTER TABLE refund_decision DISABLE TRIGGER refund_decision_stands;
UPDATE refund_decision SET answer = NULL WHERE status <> 'open' AND answer IS NOT NULL;
ALTER TABLE refund_decision ENABLE ALWAYS TRIGGER refund_decision_stands, ENABLE ALWAYS TRIGGER refund_decision_forgets;
