-- no-transaction
-- Staff's list of what is unpaid, and of what is settled, each newest first.
CREATE INDEX CONCURRENTLY parking_notice_by_state ON parking_notice (is_settled, issued_at);
