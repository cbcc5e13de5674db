-- Why somebody pays less than the price board says: passes that they bought, exemptions that the city granted.

-- A pass goes by the number of its purchase, which says what was paid for it and whether it was.
CREATE TABLE pass (
    pass_id    uuid PRIMARY KEY REFERENCES purchase,
    -- Where it was bought, and so whose revenue it is; it counts in the whole zone.
    bay_id     integer NOT NULL REFERENCES bay,
    zone_id    integer NOT NULL REFERENCES zone,
    -- Personal data: never logged, never public.
    plate      text NOT NULL CONSTRAINT pass_plate CHECK (length(plate) BETWEEN 4 AND 12),
    class      text NOT NULL CONSTRAINT pass_class CHECK (class IN ('car', 'motorbike')),
    -- Its kind, hours and price, as the tariff offered it then.
    offer      jsonb NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    CONSTRAINT pass_has_length CHECK (ends_at > starts_at)
);
CREATE INDEX pass_holder ON pass (plate, ends_at);

-- Those that count: paid, and not handed back entirely.
CREATE VIEW held_pass AS
    SELECT pass.* FROM pass JOIN purchase ON purchase_id = pass_id
    WHERE status = 'paid' AND EXISTS (
        SELECT FROM payment WHERE payment.purchase_id = pass_id AND payment.status = 'posted'
            AND payment.amount_vnd > refunded_vnd(payment_id));

-- Who parks for nothing, on what ground, and who said so.
CREATE TABLE exemption (
    exemption_id uuid PRIMARY KEY,
    -- The zone in which it counts; null is all of them.
    zone_id      integer REFERENCES zone,
    -- Personal data, and the ground with it: never logged, never public.
    plate        text NOT NULL CONSTRAINT exemption_plate CHECK (length(plate) BETWEEN 4 AND 12),
    class        text NOT NULL CONSTRAINT exemption_class CHECK (class IN ('car', 'motorbike')),
    -- The code of a ground that a tariff knows.
    ground       text NOT NULL,
    -- By which document it was proved: its kind and number, not a copy.
    document     text NOT NULL CONSTRAINT exemption_document CHECK (length(document) BETWEEN 1 AND 200),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    granted_by   integer NOT NULL REFERENCES staff,
    granted_at   timestamptz NOT NULL,
    withdrawn_at timestamptz,
    CONSTRAINT exemption_has_length CHECK (ends_at > starts_at)
);
CREATE INDEX exemption_holder ON exemption (plate, ends_at);

ALTER TABLE purchase
    DROP CONSTRAINT purchase_kind,
    DROP CONSTRAINT purchase_of,
    ADD CONSTRAINT purchase_kind CHECK (kind IN ('start', 'extension', 'top_up', 'pass')),
    ADD CONSTRAINT purchase_of CHECK (CASE kind
        WHEN 'top_up' THEN session_id IS NULL AND account_id IS NOT NULL AND starts_at IS NULL AND ends_at IS NULL
        ELSE (session_id IS NULL) = (kind = 'pass') AND account_id IS NULL AND tariff_id IS NOT NULL
            AND ends_at > starts_at END);

-- The receipt of a pass names no session.
ALTER TABLE receipt ALTER COLUMN session_id DROP NOT NULL;

-- On what a session's prices rest, as it was when it began: what is sold, granted or withdrawn later
-- changes nothing of it.
ALTER TABLE session
    ADD COLUMN entitlement  jsonb,
    ADD COLUMN pass_id      uuid REFERENCES pass,
    ADD COLUMN exemption_id uuid REFERENCES exemption,
    ADD CONSTRAINT session_entitlement CHECK ((entitlement IS NULL) = (num_nonnulls(pass_id, exemption_id) = 0)
        AND num_nonnulls(pass_id, exemption_id) <= 1);

ALTER TABLE audit ADD COLUMN exemption_id uuid;
