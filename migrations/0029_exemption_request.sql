-- Drivers ask for an exemption with a document; the city's staff grant it or refuse.

CREATE TABLE exemption_request (
    exemption_request_id uuid PRIMARY KEY,
    -- Personal data, and the ground with it: never logged, never public.
    plate           text NOT NULL CONSTRAINT exemption_request_plate CHECK (length(plate) BETWEEN 4 AND 12),
    class           text NOT NULL CONSTRAINT exemption_request_class CHECK (class IN ('car', 'motorbike')),
    -- The code of a ground that a tariff knew then.
    ground          text NOT NULL,
    -- What proves it, in words: kept for as long as the request, as with exemptions.
    document_kind   text NOT NULL CONSTRAINT exemption_request_document_kind
        CHECK (length(document_kind) BETWEEN 1 AND 100),
    document_number text NOT NULL CONSTRAINT exemption_request_document_number
        CHECK (length(document_number) BETWEEN 1 AND 60),
    status          text NOT NULL CONSTRAINT exemption_request_status
        CHECK (status IN ('waiting', 'granted', 'refused', 'withdrawn')),
    asked_at        timestamptz NOT NULL,
    -- When staff decided, or the driver took it back.
    decided_at      timestamptz,
    decided_by      integer REFERENCES staff,
    -- Why it was refused, in words that the driver reads.
    reason          text CONSTRAINT exemption_request_reason_length CHECK (length(reason) BETWEEN 1 AND 500),
    -- What was granted.
    exemption_id    uuid CONSTRAINT exemption_request_exemption UNIQUE REFERENCES exemption,
    CONSTRAINT exemption_request_decided CHECK ((status = 'waiting') = (decided_at IS NULL)),
    CONSTRAINT exemption_request_decider CHECK ((status IN ('granted', 'refused')) = (decided_by IS NOT NULL)),
    CONSTRAINT exemption_request_refused CHECK ((status = 'refused') = (reason IS NOT NULL)),
    CONSTRAINT exemption_request_granted CHECK ((status = 'granted') = (exemption_id IS NOT NULL))
);
CREATE INDEX exemption_request_waiting ON exemption_request (asked_at) WHERE status = 'waiting';
CREATE INDEX exemption_request_decided_at ON exemption_request (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX exemption_request_plate_of ON exemption_request (plate, asked_at);

-- A decision stands, whoever clicks.
CREATE FUNCTION refuse_second_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an exemption request is decided once' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER exemption_request_decided_once BEFORE UPDATE ON exemption_request
    FOR EACH ROW WHEN (OLD.status <> 'waiting') EXECUTE FUNCTION refuse_second_decision();

-- The picture of the document, apart from the request, for it goes much earlier: when the driver takes
-- the request back at once, else some time after the decision.
CREATE TABLE exemption_scan (
    exemption_request_id uuid PRIMARY KEY REFERENCES exemption_request,
    -- What its first bytes say it is.
    kind         text NOT NULL CONSTRAINT exemption_scan_kind CHECK (kind IN ('jpeg', 'png', 'webp', 'pdf')),
    content      bytea NOT NULL CONSTRAINT exemption_scan_size CHECK (octet_length(content) BETWEEN 1 AND 4194304),
    -- From when it is kept no longer; while the request waits, that is not known.
    delete_after timestamptz
);
-- Pictures are compressed already.
ALTER TABLE exemption_scan ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX exemption_scan_delete_after ON exemption_scan (delete_after) WHERE delete_after IS NOT NULL;

ALTER TABLE audit ADD COLUMN exemption_request_id uuid;
-- Who has opened a document, for whoever looks at its request.
CREATE INDEX audit_exemption_request ON audit (exemption_request_id) WHERE exemption_request_id IS NOT NULL;
