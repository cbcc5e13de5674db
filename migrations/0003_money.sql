-- Sessions, payments and the ledger.

CREATE TABLE session (
    session_id uuid PRIMARY KEY,
    bay_id     integer NOT NULL REFERENCES bay,
    tariff_id  integer NOT NULL REFERENCES tariff,
    -- Personal data: never logged, never public.
    plate      text NOT NULL CONSTRAINT session_plate CHECK (length(plate) BETWEEN 4 AND 12),
    class      text NOT NULL CONSTRAINT session_class CHECK (class IN ('car', 'motorbike')),
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    amount_vnd bigint NOT NULL CONSTRAINT session_amount CHECK (amount_vnd >= 0),
    -- The quote's lines, as they were shown to the driver.
    lines      jsonb NOT NULL,
    status     text NOT NULL CONSTRAINT session_status CHECK (status IN ('pending', 'paid', 'lapsed')),
    created_at timestamptz NOT NULL,
    CONSTRAINT session_has_length CHECK (ends_at > starts_at)
);
CREATE INDEX session_bay_ends_at ON session (bay_id, ends_at);
CREATE INDEX session_paid_starts_at ON session (starts_at) WHERE status = 'paid';

-- An account is one of ours, an operator's or the city's; its balance is the sum of its transfers.
CREATE TABLE account (
    account_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL CONSTRAINT account_code_unique UNIQUE,
    kind        text NOT NULL CONSTRAINT account_kind CHECK (kind IN ('clearing', 'operator', 'suspense')),
    operator_id integer CONSTRAINT account_operator_unique UNIQUE REFERENCES operator,
    CONSTRAINT account_owner CHECK ((kind = 'operator') = (operator_id IS NOT NULL))
);
INSERT INTO account (code, kind) VALUES ('clearing:vietqr', 'clearing'), ('suspense', 'suspense');

CREATE TABLE payment (
    payment_id uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES session,
    gateway    text NOT NULL,
    -- The text by which the transfer is recognised.
    reference  text NOT NULL CONSTRAINT payment_reference_unique UNIQUE,
    amount_vnd bigint NOT NULL CONSTRAINT payment_amount CHECK (amount_vnd > 0),
    status     text NOT NULL CONSTRAINT payment_status CHECK (status IN ('pending', 'posted', 'voided', 'refunded')),
    -- What the driver's bank app reads.
    qr         text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    posted_at  timestamptz,
    CONSTRAINT payment_posted_at CHECK ((status IN ('posted', 'refunded')) = (posted_at IS NOT NULL))
);
CREATE INDEX payment_session ON payment (session_id);
CREATE INDEX payment_pending_expires_at ON payment (expires_at) WHERE status = 'pending';

-- Double entry: each row debits one account and credits another by the same amount.
-- A pending transfer announces; a later one that names it posts or voids it, once.
CREATE TABLE transfer (
    transfer_id uuid PRIMARY KEY,
    kind        text NOT NULL CONSTRAINT transfer_kind CHECK (kind IN ('single', 'pending', 'post', 'void')),
    debit_id    integer NOT NULL REFERENCES account,
    credit_id   integer NOT NULL REFERENCES account,
    amount_vnd  bigint NOT NULL CONSTRAINT transfer_amount CHECK (amount_vnd > 0),
    pending_id  uuid CONSTRAINT transfer_resolved_once UNIQUE REFERENCES transfer,
    payment_id  uuid REFERENCES payment,
    suspense    text,
    at          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT transfer_two_accounts CHECK (debit_id <> credit_id),
    CONSTRAINT transfer_resolves CHECK ((kind IN ('post', 'void')) = (pending_id IS NOT NULL))
);
CREATE INDEX transfer_payment ON transfer (payment_id);

-- Every verified word of a bank, once: the key is the bank's own number of the transfer.
CREATE TABLE bank_notice (
    gateway     text NOT NULL,
    bank_ref    text NOT NULL,
    description text NOT NULL,
    amount_vnd  bigint NOT NULL,
    currency    text NOT NULL,
    paid_at     timestamptz NOT NULL,
    -- 'posted', or why the money lies in suspense.
    outcome     text NOT NULL,
    payment_id  uuid REFERENCES payment,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (gateway, bank_ref)
);
CREATE INDEX bank_notice_suspense ON bank_notice (received_at DESC) WHERE outcome <> 'posted';

-- Proof of a posted payment. Holds no plate: it is public by its address.
CREATE TABLE receipt (
    receipt_id  uuid PRIMARY KEY,
    payment_id  uuid NOT NULL CONSTRAINT receipt_payment_unique UNIQUE REFERENCES payment,
    session_id  uuid NOT NULL REFERENCES session,
    bay_id      integer NOT NULL REFERENCES bay,
    lot_id      integer NOT NULL REFERENCES lot,
    amount_vnd  bigint NOT NULL CONSTRAINT receipt_amount CHECK (amount_vnd > 0),
    lines       jsonb NOT NULL,
    issued_at   timestamptz NOT NULL,
    -- The city's local date of issued_at, by which revenue is published.
    day         date NOT NULL
);
CREATE INDEX receipt_day ON receipt (day) INCLUDE (lot_id, amount_vnd);

-- The ledger and its receipts are only ever added to. This holds for every role, the owner's too.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transfer_no_truncate BEFORE TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER receipt_append_only BEFORE UPDATE OR DELETE ON receipt
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER receipt_no_truncate BEFORE TRUNCATE ON receipt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One intent, one effect: the reply to a key, written in the transaction that did the work.
CREATE TABLE idempotency (
    -- Which operation the key belongs to.
    scope       text NOT NULL,
    key         text NOT NULL CONSTRAINT idempotency_key CHECK (length(key) BETWEEN 8 AND 128),
    -- SHA-256 of the request: the same key with another request is a client's mistake.
    fingerprint bytea NOT NULL,
    -- The identity of what was made, from which the reply is made again.
    resource_id uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
