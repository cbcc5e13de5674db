-- A notice that brought no đồng (another currency, an amount that is none) cannot be given back by us:
-- what people did about it is noted here, and then it waits no longer.
ALTER TABLE bank_notice ADD COLUMN settled_note text
    CONSTRAINT bank_notice_settled CHECK (settled_note IS NULL
        OR outcome <> 'posted' AND (currency <> 'VND' OR amount_vnd <= 0) AND length(settled_note) BETWEEN 1 AND 500);
