-- Money that goes back, and calls to gateways that are to be made.

CREATE TABLE refund (
    refund_id   uuid PRIMARY KEY,
    -- The money that came, by the gateway's own number of it.
    gateway     text NOT NULL,
    bank_ref    text NOT NULL,
    -- What it had paid for; null where it never paid for anything.
    payment_id  uuid REFERENCES payment,
    -- The refund's own name at the gateway.
    reference   text NOT NULL CONSTRAINT refund_reference_unique UNIQUE,
    amount_vnd  bigint NOT NULL CONSTRAINT refund_amount CHECK (amount_vnd > 0),
    ground      text NOT NULL CONSTRAINT refund_ground CHECK (ground IN
        ('unused', 'double', 'late', 'amount', 'dispute', 'staff')),
    -- manual: the gateway cannot or will not; people give it back and say so.
    status      text NOT NULL CONSTRAINT refund_status CHECK (status IN ('pending', 'manual', 'done')),
    -- The gateway's number of the refund.
    gateway_ref text,
    note        text,
    -- Where and on what local day it lowers the revenue; null where it never was revenue.
    lot_id      integer REFERENCES lot,
    day         date,
    created_at  timestamptz NOT NULL,
    done_at     timestamptz,
    CONSTRAINT refund_of_money FOREIGN KEY (gateway, bank_ref) REFERENCES bank_notice,
    CONSTRAINT refund_done CHECK ((status = 'done') = (done_at IS NOT NULL)),
    CONSTRAINT refund_revenue CHECK ((payment_id IS NULL OR lot_id IS NOT NULL) OR day IS NULL)
);
CREATE INDEX refund_money ON refund (gateway, bank_ref);
CREATE INDEX refund_payment ON refund (payment_id);
CREATE INDEX refund_day ON refund (day) INCLUDE (lot_id, amount_vnd) WHERE day IS NOT NULL;
CREATE INDEX refund_open ON refund (created_at) WHERE status <> 'done';

-- What has gone back of a payment, or is on its way.
CREATE FUNCTION refunded_vnd(payment uuid) RETURNS bigint LANGUAGE sql STABLE
    RETURN (SELECT coalesce(sum(amount_vnd), 0)::bigint FROM refund WHERE payment_id = payment);

-- Never more than came, however many ask at once: the row of the money is locked first.
CREATE FUNCTION refund_within_money() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE came bigint; gone bigint;
BEGIN
    SELECT amount_vnd INTO came FROM bank_notice
        WHERE gateway = NEW.gateway AND bank_ref = NEW.bank_ref FOR UPDATE;
    SELECT coalesce(sum(amount_vnd), 0) INTO gone FROM refund
        WHERE gateway = NEW.gateway AND bank_ref = NEW.bank_ref;
    IF gone + NEW.amount_vnd > came THEN
        RAISE EXCEPTION 'refund % exceeds the money that came', NEW.refund_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_money';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refund_within_money BEFORE INSERT ON refund
    FOR EACH ROW EXECUTE FUNCTION refund_within_money();
CREATE TRIGGER refund_no_delete BEFORE DELETE ON refund
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refund_no_truncate BEFORE TRUNCATE ON refund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refund_amount_stands BEFORE UPDATE OF amount_vnd, gateway, bank_ref, payment_id, lot_id, day ON refund
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE transfer
    ADD COLUMN refund_id uuid REFERENCES refund,
    -- Why somebody made it by hand.
    ADD COLUMN note text;
CREATE INDEX transfer_refund ON transfer (refund_id) WHERE refund_id IS NOT NULL;

-- Calls to gateways that are to be made, again and again until they are answered. Whoever works on
-- one moves its due_at on first, so that no two do and a crash only delays it.
CREATE TABLE outbox (
    kind       text NOT NULL CONSTRAINT outbox_kind CHECK (kind IN ('payment', 'refund')),
    subject_id uuid NOT NULL,
    due_at     timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    -- What went wrong last.
    note       text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject_id)
);
CREATE INDEX outbox_due_at ON outbox (due_at);

-- Triggers that hold for every session, whatever it sets.
ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_append_only, ENABLE ALWAYS TRIGGER transfer_no_truncate,
    ENABLE ALWAYS TRIGGER transfer_moves_wallets, ENABLE ALWAYS TRIGGER transfer_fits_pending;
ALTER TABLE receipt ENABLE ALWAYS TRIGGER receipt_append_only, ENABLE ALWAYS TRIGGER receipt_no_truncate;

-- What a gateway said, rightly signed, and we could not read: kept whole for people.
CREATE TABLE unread_notice (
    unread_notice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway          text NOT NULL,
    content          text NOT NULL,
    reason           text NOT NULL,
    received_at      timestamptz NOT NULL
);

-- Room for the word that tells terminals' keys from drivers'.
ALTER TABLE idempotency
    DROP CONSTRAINT idempotency_key,
    ADD CONSTRAINT idempotency_key CHECK (length(key) BETWEEN 8 AND 160);
