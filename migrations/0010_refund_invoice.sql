-- A refund of revenue has an invoice of its own, which adjusts the receipt's, in the same series.

ALTER TABLE invoice
    DROP CONSTRAINT invoice_pkey,
    DROP CONSTRAINT invoice_number_unique,
    ALTER COLUMN receipt_id DROP NOT NULL,
    ADD COLUMN refund_id uuid REFERENCES refund,
    ADD CONSTRAINT invoice_pkey PRIMARY KEY (operator_id, series, number),
    ADD CONSTRAINT invoice_receipt_unique UNIQUE (receipt_id),
    ADD CONSTRAINT invoice_refund_unique UNIQUE (refund_id),
    ADD CONSTRAINT invoice_of_one CHECK (num_nonnulls(receipt_id, refund_id) = 1);

-- Receipts and refunds that have no number yet.
ALTER TABLE invoice_due
    DROP CONSTRAINT invoice_due_pkey,
    ALTER COLUMN receipt_id DROP NOT NULL,
    ADD COLUMN refund_id uuid REFERENCES refund,
    ADD CONSTRAINT invoice_due_receipt_unique UNIQUE (receipt_id),
    ADD CONSTRAINT invoice_due_refund_unique UNIQUE (refund_id),
    ADD CONSTRAINT invoice_due_of_one CHECK (num_nonnulls(receipt_id, refund_id) = 1);
INSERT INTO invoice_due (refund_id) SELECT refund_id FROM refund WHERE payment_id IS NOT NULL;

-- Money in suspense was never invoiced, so neither is its return.
CREATE FUNCTION refund_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invoice_due (refund_id) VALUES (NEW.refund_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER refund_is_invoiced AFTER INSERT ON refund
    FOR EACH ROW WHEN (NEW.payment_id IS NOT NULL) EXECUTE FUNCTION refund_is_due();
