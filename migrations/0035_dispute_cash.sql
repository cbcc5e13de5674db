-- Who was asked for cash on top of the payment may say so.
ALTER TABLE dispute
    DROP CONSTRAINT dispute_reason,
    ADD CONSTRAINT dispute_reason CHECK (reason IN
        ('wrong_bay', 'double_charge', 'wrong_amount', 'left_early', 'could_not_park', 'cash_asked', 'other'));
