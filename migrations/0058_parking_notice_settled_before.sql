-- What was settled before it was noted. It holds the rows of these notices, of which no money waits, and no others.
UPDATE parking_notice SET is_settled = true
WHERE NOT is_settled
    AND (withdrawn_at IS NOT NULL
        OR parking_notice_id IN (
            SELECT of_notice.parking_notice_id FROM parking_notice_session AS of_notice JOIN session USING (session_id)
            WHERE session.status = 'paid'));
