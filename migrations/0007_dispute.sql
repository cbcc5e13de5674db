-- What drivers object to, what staff do about it, and the record of both.

CREATE TABLE dispute (
    dispute_id  uuid PRIMARY KEY,
    receipt_id  uuid NOT NULL REFERENCES receipt,
    reason      text NOT NULL CONSTRAINT dispute_reason CHECK (reason IN
        ('wrong_bay', 'double_charge', 'wrong_amount', 'left_early', 'could_not_park', 'other')),
    text        text NOT NULL CONSTRAINT dispute_text CHECK (length(text) <= 2000),
    status      text NOT NULL CONSTRAINT dispute_status CHECK (status IN ('open', 'refunded', 'refused')),
    opened_at   timestamptz NOT NULL,
    answer      text,
    answered_at timestamptz,
    staff_id    integer REFERENCES staff,
    refund_id   uuid REFERENCES refund,
    CONSTRAINT dispute_answered CHECK ((status = 'open') = (answered_at IS NULL)),
    CONSTRAINT dispute_refunded CHECK ((status = 'refunded') = (refund_id IS NOT NULL))
);
-- One open dispute a receipt.
CREATE UNIQUE INDEX dispute_one_open ON dispute (receipt_id) WHERE status = 'open';
CREATE INDEX dispute_open ON dispute (opened_at) WHERE status = 'open';

-- Who did what to whose money or time. Plates stand here masked.
CREATE TABLE audit (
    audit_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    -- 'driver', 'system', or 'staff:<login>'.
    actor      text NOT NULL,
    action     text NOT NULL,
    session_id uuid,
    payment_id uuid,
    refund_id  uuid,
    dispute_id uuid,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_session ON audit (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX audit_at ON audit (at DESC);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The number of each receipt's invoice, given out one after the other without a gap by whoever
-- keeps house, so that paying does not queue for it.
CREATE TABLE invoice (
    receipt_id  uuid PRIMARY KEY REFERENCES receipt,
    operator_id integer NOT NULL REFERENCES operator,
    -- The symbol of the series, such as C26MCB.
    series      text NOT NULL,
    number      integer NOT NULL CONSTRAINT invoice_number CHECK (number > 0),
    CONSTRAINT invoice_number_unique UNIQUE (operator_id, series, number)
);
CREATE TRIGGER invoice_append_only BEFORE UPDATE OR DELETE ON invoice
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Receipts that have no number yet.
CREATE TABLE invoice_due (
    receipt_id uuid PRIMARY KEY REFERENCES receipt
);
INSERT INTO invoice_due SELECT receipt_id FROM receipt;
CREATE FUNCTION invoice_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoice_due SELECT receipt_id FROM fresh;
    RETURN NULL;
END
$$;
CREATE TRIGGER receipt_is_invoiced AFTER INSERT ON receipt
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION invoice_is_due();

-- The five characters that the tax authority has allotted to the operator's cash registers; without
-- them it issues no e-invoices.
ALTER TABLE operator ADD COLUMN invoice_code text NOT NULL DEFAULT ''
    CONSTRAINT operator_invoice_code CHECK (invoice_code ~ '^([0-9A-Z]{5})?$');
