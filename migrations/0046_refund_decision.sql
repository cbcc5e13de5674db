-- Money that staff give back: a little on one person's word, more on two people's. And the changes of operators'
-- accounts by themselves, to be read without the whole record.
SET LOCAL lock_timeout = '3s';

-- What one member of staff gives back alone, in đồng: of one payment, and since midnight in the city. The city's own
-- are for money without an owner.
ALTER TABLE operator
    ADD COLUMN refund_alone_vnd bigint NOT NULL DEFAULT 200000
        CONSTRAINT operator_refund_alone CHECK (refund_alone_vnd BETWEEN 0 AND 10000000),
    ADD COLUMN refund_alone_day_vnd bigint NOT NULL DEFAULT 1000000
        CONSTRAINT operator_refund_alone_day CHECK (refund_alone_day_vnd BETWEEN 0 AND 100000000);
ALTER TABLE city
    ADD COLUMN refund_alone_vnd bigint NOT NULL DEFAULT 200000
        CONSTRAINT city_refund_alone CHECK (refund_alone_vnd BETWEEN 0 AND 10000000),
    ADD COLUMN refund_alone_day_vnd bigint NOT NULL DEFAULT 1000000
        CONSTRAINT city_refund_alone_day CHECK (refund_alone_day_vnd BETWEEN 0 AND 100000000);

-- Who decided that money goes back, and who confirmed it. What the system gives back by a rule has no row.
CREATE TABLE refund_decision (
    -- The number that the refund has, or will have once it is confirmed.
    refund_id   uuid PRIMARY KEY,
    -- The dispute that it answers; null for money without an owner.
    dispute_id  uuid REFERENCES dispute,
    gateway     text NOT NULL,
    bank_ref    text NOT NULL,
    payment_id  uuid REFERENCES payment,
    -- Whose limits and administrators these are, as the receipt says; null is the city.
    operator_id integer REFERENCES operator,
    amount_vnd  bigint NOT NULL CONSTRAINT refund_decision_amount CHECK (amount_vnd > 0),
    -- open: a second person is to look at it.
    status      text NOT NULL CONSTRAINT refund_decision_status
        CHECK (status IN ('alone', 'open', 'confirmed', 'refused')),
    decided_by  integer NOT NULL REFERENCES staff,
    decided_at  timestamptz NOT NULL,
    -- What the driver reads once it is confirmed.
    answer      text CONSTRAINT refund_decision_answer CHECK (length(answer) <= 2000),
    second_by   integer REFERENCES staff,
    second_at   timestamptz,
    -- Why it was not confirmed.
    note        text CONSTRAINT refund_decision_note CHECK (length(note) <= 500),
    CONSTRAINT refund_decision_of_money FOREIGN KEY (gateway, bank_ref) REFERENCES bank_notice,
    CONSTRAINT refund_decision_two_people CHECK (second_by <> decided_by),
    CONSTRAINT refund_decision_second CHECK (
        (status IN ('confirmed', 'refused')) = (second_by IS NOT NULL)
        AND (second_by IS NULL) = (second_at IS NULL))
);
CREATE UNIQUE INDEX refund_decision_one_open ON refund_decision (gateway, bank_ref) WHERE status = 'open';
CREATE INDEX refund_decision_dispute ON refund_decision (dispute_id);
CREATE INDEX refund_decision_money ON refund_decision (gateway, bank_ref);
CREATE INDEX refund_decision_decided_by ON refund_decision (decided_by, decided_at);
CREATE INDEX refund_decision_decided_at ON refund_decision (decided_at);

-- What was decided before there were limits: each by one person.
INSERT INTO refund_decision
    (refund_id, dispute_id, gateway, bank_ref, payment_id, operator_id, amount_vnd, status, decided_by, decided_at, answer)
    SELECT refund_id, dispute_id, gateway, bank_ref, refund.payment_id, operator_id, refund.amount_vnd, 'alone',
           staff_id, answered_at, answer
    FROM dispute JOIN refund USING (refund_id) JOIN receipt ON receipt.receipt_id = dispute.receipt_id
    WHERE staff_id IS NOT NULL;
INSERT INTO refund_decision
    (refund_id, gateway, bank_ref, amount_vnd, status, decided_by, decided_at)
    SELECT refund.refund_id, gateway, bank_ref, amount_vnd, 'alone', staff_id, created_at
    FROM refund JOIN audit ON audit.refund_id = refund.refund_id AND action = 'refund.promise'
         JOIN staff ON actor = 'staff:' || login
    WHERE ground = 'staff'
    ON CONFLICT DO NOTHING;

-- Whose limits hold for the money of a payment, and what they are; without a payment the city's, of several the
-- lowest.
CREATE FUNCTION refund_limits(payment uuid, OUT operator_id integer, OUT alone_vnd bigint, OUT day_vnd bigint, OUT timezone text)
    LANGUAGE sql STABLE AS $$
    SELECT operator.operator_id, operator.refund_alone_vnd, operator.refund_alone_day_vnd, city.timezone
        FROM receipt JOIN operator ON operator.operator_id = receipt.operator_id
             JOIN lot ON lot.lot_id = receipt.lot_id JOIN city ON city.city_id = lot.city_id
        WHERE receipt.payment_id = payment
    UNION ALL
    SELECT NULL, min(refund_alone_vnd), min(refund_alone_day_vnd), min(city.timezone) FROM city HAVING payment IS NULL
    LIMIT 1
$$;

-- What of some money went back on one person's word.
CREATE FUNCTION refund_alone_of_money(gateway text, bank_ref text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(amount_vnd), 0)::bigint FROM refund_decision AS it
    WHERE it.gateway = $1 AND it.bank_ref = $2 AND status = 'alone'
$$;

-- What one person gave back alone on the local day of a moment, until then.
CREATE FUNCTION refund_alone_of_day(person integer, at timestamptz, timezone text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(amount_vnd), 0)::bigint FROM refund_decision
    WHERE decided_by = person AND status = 'alone'
      AND decided_at >= date_trunc('day', at AT TIME ZONE timezone) AT TIME ZONE timezone
$$;

-- Nobody decides more alone than the limits, however many requests come at once: the money is locked first, then the
-- person. Whose it is says the receipt, not whoever writes.
CREATE FUNCTION refund_decision_begins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE limits record;
BEGIN
    SELECT * INTO limits FROM refund_limits(NEW.payment_id);
    NEW.operator_id := limits.operator_id;
    PERFORM FROM bank_notice WHERE gateway = NEW.gateway AND bank_ref = NEW.bank_ref FOR UPDATE;
    PERFORM FROM staff WHERE staff_id = NEW.decided_by FOR NO KEY UPDATE;
    IF NEW.status NOT IN ('alone', 'open') THEN
        RAISE EXCEPTION 'refund % cannot begin as %', NEW.refund_id, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_decision_begins';
    END IF;
    IF NEW.status = 'alone' AND NEW.amount_vnd + refund_alone_of_money(NEW.gateway, NEW.bank_ref)
            > coalesce(limits.alone_vnd, 0) THEN
        RAISE EXCEPTION 'refund % is more than one person decides', NEW.refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_alone';
    END IF;
    IF NEW.status = 'alone' AND NEW.amount_vnd + refund_alone_of_day(NEW.decided_by, NEW.decided_at, limits.timezone)
            > coalesce(limits.day_vnd, 0) THEN
        RAISE EXCEPTION 'refund % is more than one person decides in a day', NEW.refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_alone_day';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refund_decision_begins BEFORE INSERT ON refund_decision
    FOR EACH ROW EXECUTE FUNCTION refund_decision_begins();

-- A second person decides once: an administrator of that operator, or of the city.
CREATE FUNCTION refund_decision_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'open' OR NEW.status NOT IN ('confirmed', 'refused') THEN
        RAISE EXCEPTION 'refund % is decided', OLD.refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_decision_once';
    END IF;
    IF NOT EXISTS (SELECT FROM staff WHERE staff_id = NEW.second_by AND role = 'administrator' AND disabled_at IS NULL
                   AND (staff.operator_id IS NULL OR staff.operator_id = OLD.operator_id)) THEN
        RAISE EXCEPTION 'refund % is for an administrator to confirm', OLD.refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_decision_administrator';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refund_decision_ends BEFORE UPDATE OF status, second_by, second_at, note ON refund_decision
    FOR EACH ROW EXECUTE FUNCTION refund_decision_ends();
CREATE TRIGGER refund_decision_stands
    BEFORE UPDATE OF refund_id, dispute_id, gateway, bank_ref, payment_id, operator_id, amount_vnd, decided_by, decided_at, answer
    ON refund_decision FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refund_decision_no_delete BEFORE DELETE ON refund_decision
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refund_decision_no_truncate BEFORE TRUNCATE ON refund_decision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE refund_decision ENABLE ALWAYS TRIGGER refund_decision_begins, ENABLE ALWAYS TRIGGER refund_decision_ends,
    ENABLE ALWAYS TRIGGER refund_decision_stands, ENABLE ALWAYS TRIGGER refund_decision_no_delete,
    ENABLE ALWAYS TRIGGER refund_decision_no_truncate;

-- Money goes back on staff's word as it was decided, and not before. A program of the version before knows no
-- decisions: it may still give back what one person decides, of one payment.
CREATE FUNCTION refund_is_decided() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE decision refund_decision; decided boolean;
BEGIN
    SELECT * INTO decision FROM refund_decision WHERE refund_id = NEW.refund_id;
    IF FOUND THEN
        decided := decision.status IN ('alone', 'confirmed')
            AND (decision.gateway, decision.bank_ref, decision.payment_id, decision.amount_vnd)
                IS NOT DISTINCT FROM (NEW.gateway, NEW.bank_ref, NEW.payment_id, NEW.amount_vnd);
    ELSE
        SELECT NEW.amount_vnd + refund_alone_of_money(NEW.gateway, NEW.bank_ref) <= alone_vnd INTO decided
            FROM refund_limits(NEW.payment_id);
    END IF;
    IF decided IS NOT TRUE THEN
        RAISE EXCEPTION 'refund % needs a second person', NEW.refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_is_decided';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refund_is_decided BEFORE INSERT ON refund
    FOR EACH ROW WHEN (NEW.ground IN ('dispute', 'staff')) EXECUTE FUNCTION refund_is_decided();
ALTER TABLE refund ENABLE ALWAYS TRIGGER refund_is_decided;

-- Whoever answers a dispute by money without having said so before, as a program of the version before does, has
-- decided it alone, and counts.
CREATE FUNCTION dispute_is_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_decision
        (refund_id, dispute_id, gateway, bank_ref, payment_id, amount_vnd, status, decided_by, decided_at, answer)
        SELECT refund_id, NEW.dispute_id, gateway, bank_ref, payment_id, amount_vnd, 'alone', NEW.staff_id,
               NEW.answered_at, NEW.answer
        FROM refund WHERE refund_id = NEW.refund_id
            AND NOT EXISTS (SELECT FROM refund_decision WHERE refund_id = NEW.refund_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER dispute_is_decided AFTER UPDATE OF refund_id ON dispute
    FOR EACH ROW WHEN (NEW.refund_id IS NOT NULL) EXECUTE FUNCTION dispute_is_decided();
ALTER TABLE dispute ENABLE ALWAYS TRIGGER dispute_is_decided;

-- Each change of the account into which drivers pay, as the record has it too: few rows, beside the record's many.
CREATE TABLE account_change (
    account_change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator_id       integer NOT NULL REFERENCES operator,
    at                timestamptz NOT NULL,
    -- As the record says it: 'database:<role>'.
    actor             text NOT NULL,
    bin_before        text NOT NULL,
    account_before    text NOT NULL,
    bin_after         text NOT NULL,
    account_after     text NOT NULL
);
CREATE INDEX account_change_at ON account_change (at);
CREATE INDEX account_change_operator ON account_change (operator_id, at);
INSERT INTO account_change (operator_id, at, actor, bin_before, account_before, bin_after, account_after)
    SELECT (detail -> 'after' ->> 'operator_id')::integer, at, actor,
           detail -> 'before' ->> 'bank_bin', detail -> 'before' ->> 'bank_account',
           detail -> 'after' ->> 'bank_bin', detail -> 'after' ->> 'bank_account'
    FROM audit JOIN operator ON operator.operator_id = (detail -> 'after' ->> 'operator_id')::integer
    WHERE action = 'operator.change' AND actor LIKE 'database:%'
      AND (detail -> 'before' ->> 'bank_bin', detail -> 'before' ->> 'bank_account')
          IS DISTINCT FROM (detail -> 'after' ->> 'bank_bin', detail -> 'after' ->> 'bank_account')
    ORDER BY audit_id;
CREATE FUNCTION record_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_change (operator_id, at, actor, bin_before, account_before, bin_after, account_after)
        VALUES (NEW.operator_id, now(), 'database:' || session_user,
                OLD.bank_bin, OLD.bank_account, NEW.bank_bin, NEW.bank_account);
    RETURN NULL;
END
$$;
CREATE TRIGGER operator_account_recorded AFTER UPDATE ON operator
    FOR EACH ROW WHEN ((OLD.bank_bin, OLD.bank_account) IS DISTINCT FROM (NEW.bank_bin, NEW.bank_account))
    EXECUTE FUNCTION record_account_change();
ALTER TABLE operator ENABLE ALWAYS TRIGGER operator_account_recorded;
CREATE TRIGGER account_change_append_only BEFORE UPDATE OR DELETE ON account_change
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER account_change_no_truncate BEFORE TRUNCATE ON account_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE account_change ENABLE ALWAYS TRIGGER account_change_append_only,
    ENABLE ALWAYS TRIGGER account_change_no_truncate;
