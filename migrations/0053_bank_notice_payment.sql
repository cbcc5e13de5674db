-- no-transaction
-- By which money a payment was posted: asked whenever some of it goes back.
CREATE INDEX CONCURRENTLY bank_notice_payment ON bank_notice (payment_id) WHERE payment_id IS NOT NULL;
