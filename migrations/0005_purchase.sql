-- What a payment pays for, the wallets that may pay, and how a payment is shared.

-- One thing that is bought: a first time, more time, or money in a wallet. A session is the right
-- to park; its purchases are what that right costs, each with the price as the driver saw it.
CREATE TABLE purchase (
    purchase_id uuid PRIMARY KEY,
    kind        text NOT NULL CONSTRAINT purchase_kind CHECK (kind IN ('start', 'extension', 'top_up')),
    session_id  uuid REFERENCES session,
    -- The wallet's account that a top-up fills.
    account_id  integer REFERENCES account,
    -- The version in force at the start of the stay.
    tariff_id   integer REFERENCES tariff,
    -- The time that is bought.
    starts_at   timestamptz,
    ends_at     timestamptz,
    amount_vnd  bigint NOT NULL CONSTRAINT purchase_amount CHECK (amount_vnd >= 0),
    -- The value-added tax contained in the price, in basis points.
    vat_bp      smallint NOT NULL DEFAULT 0 CONSTRAINT purchase_vat CHECK (vat_bp BETWEEN 0 AND 10000),
    -- The quote's lines, as they were shown to the driver.
    lines       jsonb NOT NULL,
    status      text NOT NULL CONSTRAINT purchase_status CHECK (status IN ('pending', 'paid', 'lapsed')),
    created_at  timestamptz NOT NULL,
    CONSTRAINT purchase_of CHECK (CASE kind WHEN 'top_up'
        THEN session_id IS NULL AND account_id IS NOT NULL AND starts_at IS NULL AND ends_at IS NULL
        ELSE session_id IS NOT NULL AND account_id IS NULL AND tariff_id IS NOT NULL AND ends_at > starts_at END)
);
CREATE INDEX purchase_session ON purchase (session_id);
CREATE INDEX purchase_pending_created_at ON purchase (created_at) WHERE status = 'pending';

INSERT INTO purchase (purchase_id, kind, session_id, tariff_id, starts_at, ends_at, amount_vnd, lines, status, created_at)
    SELECT session_id, 'start', session_id, tariff_id, starts_at, ends_at, amount_vnd, lines, status, created_at FROM session;
ALTER TABLE session DROP COLUMN tariff_id, DROP COLUMN amount_vnd, DROP COLUMN lines;

-- ends_at is the end of the paid time as it is now: extending moves it on, stopping brings it back.
ALTER TABLE session
    -- Start and stop: the time is paid for when it ends, out of money that a wallet holds for it.
    ADD COLUMN metered    boolean NOT NULL DEFAULT false,
    ADD COLUMN stopped_at timestamptz,
    ADD COLUMN stopped_by text CONSTRAINT session_stopped_by CHECK (stopped_by IN ('driver', 'sensor', 'staff')),
    ADD CONSTRAINT session_stopped CHECK ((stopped_at IS NULL) = (stopped_by IS NULL)),
    -- A session that is stopped within its first moment has no length left.
    DROP CONSTRAINT session_has_length,
    ADD CONSTRAINT session_has_length CHECK (ends_at > starts_at OR (stopped_at IS NOT NULL AND ends_at = starts_at));

ALTER TABLE payment ADD COLUMN purchase_id uuid REFERENCES purchase;
UPDATE payment SET purchase_id = session_id;
ALTER TABLE payment
    ALTER COLUMN purchase_id SET NOT NULL,
    DROP COLUMN session_id,
    -- The provider's page.
    ADD COLUMN redirect_url text,
    -- What the provider said last, for whoever looks into it.
    ADD COLUMN note text;
CREATE INDEX payment_purchase ON payment (purchase_id);

-- Accounts: wallets are owed to drivers, city and vat are the shares of each payment that are not
-- the operator's, refund is what is on its way back to drivers.
ALTER TABLE account
    DROP CONSTRAINT account_kind,
    DROP CONSTRAINT account_owner,
    ADD CONSTRAINT account_kind CHECK (kind IN ('clearing', 'operator', 'suspense', 'wallet', 'city', 'vat', 'refund')),
    ADD CONSTRAINT account_owner CHECK ((kind = 'operator') = (operator_id IS NOT NULL)),
    -- Wallets have negative keys, so that a transfer shows by itself whether it touches one.
    ADD CONSTRAINT account_wallet CHECK ((kind = 'wallet') = (account_id < 0));
INSERT INTO account (code, kind) VALUES
    ('clearing:vnpay', 'clearing'), ('clearing:momo', 'clearing'), ('clearing:zalopay', 'clearing'),
    ('city', 'city'), ('vat', 'vat'), ('refund', 'refund');

-- The city's share of what remains of a payment after tax, in basis points; the rest is the operator's.
ALTER TABLE operator
    ADD COLUMN city_share_bp smallint NOT NULL DEFAULT 0 CONSTRAINT operator_city_share CHECK (city_share_bp BETWEEN 0 AND 10000),
    -- Who issues the invoices.
    ADD COLUMN tax_code text NOT NULL DEFAULT '',
    ADD COLUMN address  text NOT NULL DEFAULT '';

CREATE SEQUENCE wallet_account AS integer INCREMENT BY -1 MAXVALUE -1 START -1;

-- What a driver has with us: a running total of its transfers, kept by the trigger below, so that
-- the database can refuse what it does not cover, whoever asks and however many at once.
CREATE TABLE wallet (
    account_id  integer PRIMARY KEY REFERENCES account,
    wallet_id   uuid NOT NULL CONSTRAINT wallet_id_unique UNIQUE,
    balance_vnd bigint NOT NULL DEFAULT 0,
    -- Reserved by pending transfers.
    held_vnd    bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    CONSTRAINT wallet_covers CHECK (held_vnd >= 0 AND balance_vnd >= held_vnd)
);

CREATE FUNCTION wallet_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.debit_id < 0 THEN
        UPDATE wallet SET
            balance_vnd = balance_vnd - CASE WHEN NEW.kind IN ('single', 'post') THEN NEW.amount_vnd ELSE 0 END,
            held_vnd = held_vnd + CASE NEW.kind WHEN 'pending' THEN NEW.amount_vnd WHEN 'single' THEN 0
                ELSE -(SELECT amount_vnd FROM transfer WHERE transfer_id = NEW.pending_id) END
        WHERE account_id = NEW.debit_id;
    END IF;
    IF NEW.credit_id < 0 AND NEW.kind IN ('single', 'post') THEN
        UPDATE wallet SET balance_vnd = balance_vnd + NEW.amount_vnd WHERE account_id = NEW.credit_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER transfer_moves_wallets AFTER INSERT ON transfer
    FOR EACH ROW WHEN (NEW.debit_id < 0 OR NEW.credit_id < 0) EXECUTE FUNCTION wallet_follow();

CREATE FUNCTION wallet_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a wallet changes by transfers only' USING ERRCODE = 'restrict_violation';
END
$$;
-- Depth 0 is a statement of somebody's own; the trigger above works at depth 1.
CREATE TRIGGER wallet_by_transfers_only BEFORE UPDATE OF balance_vnd, held_vnd ON wallet
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION wallet_guard();

-- A transfer that ends a pending one names the same accounts and never more than was announced.
CREATE FUNCTION transfer_resolves_pending() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE announced transfer;
BEGIN
    SELECT * INTO announced FROM transfer WHERE transfer_id = NEW.pending_id;
    IF announced.kind IS DISTINCT FROM 'pending'
        OR (announced.debit_id, announced.credit_id) <> (NEW.debit_id, NEW.credit_id)
        OR NEW.amount_vnd > announced.amount_vnd
        OR (NEW.kind = 'void' AND NEW.amount_vnd <> announced.amount_vnd)
    THEN
        RAISE EXCEPTION 'transfer % does not fit the pending one that it ends', NEW.transfer_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_fits_pending';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER transfer_fits_pending BEFORE INSERT ON transfer
    FOR EACH ROW WHEN (NEW.pending_id IS NOT NULL) EXECUTE FUNCTION transfer_resolves_pending();

-- A wallet's own transfers; those of the great accounts are found by payment instead.
CREATE INDEX transfer_wallet_debit ON transfer (debit_id) WHERE debit_id < 0;
CREATE INDEX transfer_wallet_credit ON transfer (credit_id) WHERE credit_id < 0;

-- A gateway's number of some money, found again although the same number was used for other money.
CREATE INDEX bank_notice_number ON bank_notice (gateway, split_part(bank_ref, '#', 1));

-- Where the money belonged when it was paid: a lot that changes hands takes no past revenue along.
ALTER TABLE receipt
    ADD COLUMN ward_id     integer REFERENCES ward,
    ADD COLUMN zone_id     integer REFERENCES zone,
    ADD COLUMN operator_id integer REFERENCES operator;
ALTER TABLE receipt DISABLE TRIGGER receipt_append_only;
UPDATE receipt SET ward_id = lot.ward_id, zone_id = lot.zone_id, operator_id = lot.operator_id
    FROM lot WHERE lot.lot_id = receipt.lot_id;
ALTER TABLE receipt ENABLE TRIGGER receipt_append_only;
ALTER TABLE receipt
    ALTER COLUMN ward_id SET NOT NULL, ALTER COLUMN zone_id SET NOT NULL, ALTER COLUMN operator_id SET NOT NULL;

-- A day of a gateway's money, to be compared with its statement.
CREATE INDEX bank_notice_paid_at ON bank_notice (gateway, paid_at);
