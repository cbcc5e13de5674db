-- Personal data goes when its purpose is over (docs/privacy.md): plates, numbers of documents, what drivers wrote and
-- what banks said. And a driver may have their wallet closed and their number removed.

-- Rather tried again than a city that waits for a table.
SET LOCAL lock_timeout = '3s';

-- A plate whose purpose is over is replaced by a pseudonym: of one vehicle the same for all that ended in one month, so
-- that it can still be counted how many different vehicles came. Its key is chance, and is thrown away once all of the
-- month is replaced: from then on nobody can tell whose pseudonym one is, be it by trying all plates that there are.
-- Only the function below reads keys.
CREATE TABLE plate_key (
    -- The month's first day, by the city's clock.
    month date PRIMARY KEY CONSTRAINT plate_key_month CHECK (extract(day FROM month) = 1),
    key   bytea NOT NULL CONSTRAINT plate_key_length CHECK (octet_length(key) = 32)
-- What is thrown away does not lie about as a dead row.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);

-- How far the walk through what has ended has come: some of it at once, in the order of its time.
CREATE TABLE plate_walk (
    only_one boolean PRIMARY KEY DEFAULT true CONSTRAINT plate_walk_only_one CHECK (only_one),
    -- What ended before is done with, but for that of which something was open then.
    next_at  timestamptz NOT NULL,
    -- When the walk began that has come so far. From time to time it begins anew, for what was open.
    began_at timestamptz NOT NULL
);
INSERT INTO plate_walk (next_at, began_at) VALUES ('-infinity', now());

-- The pseudonym of a plate among all that ended in the month of `ended_at`. Of a form that no plate has and that
-- programs which know of no pseudonyms read as a plate: two letters Đ and ten digits of base 16.
CREATE FUNCTION plate_pseudonym(plate text, ended_at timestamptz, clock text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    of_month date := date_trunc('month', ended_at AT TIME ZONE clock);
    secret bytea := (SELECT key FROM plate_key WHERE month = of_month);
BEGIN
    IF secret IS NULL THEN
        secret := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        INSERT INTO plate_key (month, key) VALUES (of_month, secret);
    END IF;
    RETURN 'ĐĐ' || upper(left(encode(sha256(secret || sha256(secret || convert_to(plate, 'UTF8'))), 'hex'), 10));
END
$$;

-- Whether anything is open about what was bought: money on its way in or back, or an objection.
CREATE FUNCTION purchase_is_open(bought uuid) RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM payment LEFT JOIN receipt USING (payment_id)
        WHERE payment.purchase_id = bought AND (payment.status = 'pending'
            OR EXISTS (SELECT FROM refund
                       WHERE refund.payment_id = payment.payment_id AND refund.status <> 'done')
            OR EXISTS (SELECT FROM dispute
                       WHERE dispute.receipt_id = receipt.receipt_id AND dispute.status = 'open')));

-- The same of all that was bought for a session.
CREATE FUNCTION session_is_open(parked uuid) RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM purchase WHERE purchase.session_id = parked AND purchase_is_open(purchase.purchase_id));

-- Whether a notice has been paid: a session of it has.
CREATE FUNCTION parking_notice_is_paid(notice integer) RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM parking_notice_session JOIN session USING (session_id)
        WHERE parking_notice_session.parking_notice_id = notice AND session.status = 'paid');

-- What ended from `since` until before `before`, and of sessions which it was: each kind by its own index, at most `most`
-- of each kind, of each bay and of each gateway, in no order.
CREATE FUNCTION ended_between(since timestamptz, before timestamptz, most integer)
    RETURNS TABLE (at timestamptz, parked uuid) LANGUAGE sql STABLE AS $$
    SELECT ended.ends_at, ended.session_id FROM bay CROSS JOIN LATERAL (
        SELECT ends_at, session_id FROM session
        WHERE session.bay_id = bay.bay_id AND ends_at >= since AND ends_at < before
        ORDER BY ends_at LIMIT most) AS ended
    UNION ALL
    SELECT told.paid_at, NULL FROM account CROSS JOIN LATERAL (
        SELECT paid_at FROM bank_notice
        WHERE gateway = substr(account.code, length('clearing:') + 1) AND paid_at >= since AND paid_at < before
        ORDER BY paid_at LIMIT most) AS told
    WHERE account.kind = 'clearing'
    UNION ALL
    (SELECT issued_at, NULL FROM parking_notice WHERE issued_at >= since AND issued_at < before
     ORDER BY issued_at LIMIT most)
$$;

-- Takes a step: of what ended before `before` and has nothing open, plates become pseudonyms, and texts '•••••'. Of tables
-- that stay small at most `most` rows each; of sessions, notices and banks' texts an hour, or about `most` of them. Each
-- call is one transaction, and done again changes nothing. Tells how many plates and texts went, and whether that was
-- all.
--
-- Who may call it can do nothing else to these rows.
CREATE FUNCTION personal_data_forget(before timestamptz, most integer,
        OUT plates bigint, OUT texts bigint, OUT finished boolean)
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    clock text := coalesce((SELECT timezone FROM city ORDER BY city_id LIMIT 1), 'UTC');
    walk plate_walk;
    first timestamptz;
    last timestamptz;
    ended uuid[];
    changed bigint;
BEGIN
    IF before > now() - interval '30 days' THEN
        RAISE EXCEPTION 'personal data of the last thirty days stays' USING ERRCODE = 'restrict_violation';
    END IF;
    -- One at a time.
    SELECT * INTO STRICT walk FROM plate_walk FOR UPDATE;
    plates := 0;
    texts := 0;

    UPDATE pass SET plate = plate_pseudonym(plate, ends_at, clock)
    WHERE pass_id = ANY (ARRAY(
        SELECT pass_id FROM pass
        WHERE ends_at < before AND plate NOT LIKE 'ĐĐ__________' AND NOT purchase_is_open(pass_id)
        LIMIT most));
    GET DIAGNOSTICS changed = ROW_COUNT;
    plates := plates + changed;
    finished := changed < most;

    UPDATE exemption SET plate = plate_pseudonym(plate, least(ends_at, withdrawn_at), clock), document = '•••••'
    WHERE exemption_id = ANY (ARRAY(
        SELECT exemption_id FROM exemption
        WHERE least(ends_at, withdrawn_at) < before AND plate NOT LIKE 'ĐĐ__________'
        LIMIT most));
    GET DIAGNOSTICS changed = ROW_COUNT;
    plates := plates + changed;
    finished := finished AND changed < most;

    UPDATE exemption_request
    SET plate = plate_pseudonym(plate, decided_at, clock), document_kind = '•••••', document_number = '•••••'
    WHERE exemption_request_id = ANY (ARRAY(
        SELECT exemption_request_id FROM exemption_request AS request LEFT JOIN exemption AS granted USING (exemption_id)
        WHERE request.decided_at < before AND request.plate NOT LIKE 'ĐĐ__________'
            AND coalesce(least(granted.ends_at, granted.withdrawn_at) < before, true)
        LIMIT most));
    GET DIAGNOSTICS changed = ROW_COUNT;
    plates := plates + changed;
    finished := finished AND changed < most;

    UPDATE dispute SET text = '•••••', answer = '•••••'
    WHERE dispute_id = ANY (ARRAY(
        SELECT dispute_id FROM dispute LEFT JOIN refund USING (refund_id)
        WHERE dispute.status <> 'open' AND answered_at < before AND text <> '•••••'
            AND coalesce(refund.status = 'done', true)
        LIMIT most));
    GET DIAGNOSTICS changed = ROW_COUNT;
    texts := texts + changed;
    finished := finished AND changed < most;

    -- What nobody could read is looked into within hours.
    UPDATE unread_notice SET content = '•••••'
    WHERE unread_notice_id = ANY (ARRAY(
        SELECT unread_notice_id FROM unread_notice WHERE received_at < before AND content <> '•••••'
        LIMIT most));
    GET DIAGNOSTICS changed = ROW_COUNT;
    texts := texts + changed;
    finished := finished AND changed < most;

    -- The next hour; where nothing ended in it, the first in which something did.
    first := walk.next_at;
    FOR attempt IN 1..2 LOOP
        SELECT max(step.at), array_agg(step.parked) INTO last, ended
        FROM (SELECT at, parked FROM ended_between(first, least(before, first + interval '1 hour'), most)
              ORDER BY at FETCH FIRST (most) ROWS WITH TIES) AS step;
        EXIT WHEN last IS NOT NULL;
        SELECT min(at) INTO first FROM ended_between(walk.next_at, before, 1);
    END LOOP;
    IF last IS NOT NULL THEN
        -- A notice that is open may be answered with what was paid.
        UPDATE session SET plate = plate_pseudonym(plate, ends_at, clock)
        WHERE session_id = ANY (ended) AND plate NOT LIKE 'ĐĐ__________' AND status <> 'pending'
            AND NOT session_is_open(session_id)
            AND NOT EXISTS (
                SELECT FROM parking_notice AS notice
                WHERE notice.bay_id = session.bay_id AND notice.plate = session.plate
                    AND notice.withdrawn_at IS NULL AND NOT parking_notice_is_paid(notice.parking_notice_id));
        GET DIAGNOSTICS changed = ROW_COUNT;
        plates := plates + changed;

        UPDATE parking_notice SET plate = plate_pseudonym(plate, ends_at, clock)
        WHERE parking_notice_id = ANY (ARRAY(
            SELECT parking_notice_id FROM parking_notice AS notice
            WHERE issued_at >= first AND issued_at <= last AND plate NOT LIKE 'ĐĐ__________'
                AND CASE WHEN withdrawn_at IS NULL THEN parking_notice_is_paid(parking_notice_id)
                    ELSE withdrawn_at < before END
                AND NOT EXISTS (
                    SELECT FROM parking_notice_session JOIN session USING (session_id)
                    WHERE parking_notice_session.parking_notice_id = notice.parking_notice_id
                        AND (session.created_at >= before OR session_is_open(session.session_id)))));
        GET DIAGNOSTICS changed = ROW_COUNT;
        plates := plates + changed;

        -- Providers say our own reference and nothing else: that stays.
        UPDATE bank_notice SET description = '•••••'
        WHERE (gateway, bank_ref) IN (
            SELECT told.gateway, told.bank_ref FROM account CROSS JOIN LATERAL (
                SELECT gateway, bank_ref, description, outcome, settled_note, payment_id FROM bank_notice
                WHERE gateway = substr(account.code, length('clearing:') + 1)
                    AND paid_at >= first AND paid_at <= last) AS told
                LEFT JOIN payment USING (payment_id)
            WHERE account.kind = 'clearing' AND told.description <> '•••••'
                AND told.description IS DISTINCT FROM payment.reference
                AND (told.outcome = 'posted' OR told.settled_note IS NOT NULL OR EXISTS (
                    SELECT FROM refund WHERE refund.gateway = told.gateway AND refund.bank_ref = told.bank_ref))
                AND NOT EXISTS (
                    SELECT FROM refund
                    WHERE refund.gateway = told.gateway AND refund.bank_ref = told.bank_ref
                        AND refund.status <> 'done'));
        GET DIAGNOSTICS changed = ROW_COUNT;
        texts := texts + changed;

        UPDATE plate_walk SET next_at = last + interval '1 microsecond';
        finished := false;
    ELSIF finished THEN
        DELETE FROM plate_key WHERE (month + interval '1 month') AT TIME ZONE clock <= before;
        IF walk.began_at < now() - interval '30 days' THEN
            UPDATE plate_walk SET next_at = '-infinity', began_at = now();
        END IF;
    END IF;

    IF plates + texts > 0 THEN
        INSERT INTO audit (at, actor, action, detail)
            VALUES (now(), 'system', 'personal_data.forget', jsonb_build_object('plates', plates, 'texts', texts));
    END IF;
END
$$;

-- A decision stands, whoever clicks. What is forgotten of it decides nothing.
CREATE OR REPLACE TRIGGER exemption_request_decided_once
    BEFORE UPDATE OF exemption_request_id, class, ground, status, asked_at, decided_at, decided_by, reason, exemption_id
    ON exemption_request
    FOR EACH ROW WHEN (OLD.status <> 'waiting') EXECUTE FUNCTION refuse_second_decision();

-- A wallet that its driver has given up: nothing fills it any more. Its transfers stay.
ALTER TABLE wallet ADD COLUMN closed_at timestamptz;

-- As in 0043: names are looked up where the tables are, not where the caller says, and only who is granted it may call.
DO $$
DECLARE
    tables text := (SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
                    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place));
    signature text := 'personal_data_forget(timestamptz, integer)';
BEGIN
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', signature, tables);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    REVOKE EXECUTE ON FUNCTION plate_pseudonym(text, timestamptz, text) FROM PUBLIC;
END
$$;
