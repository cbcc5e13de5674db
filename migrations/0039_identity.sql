-- Who somebody is, on the word of an identity provider (OpenID Connect). Nobody needs that to park or to pay:
-- drivers may let a name stand with a request for an exemption or a dispute, staff may sign in by it.

-- A name that a driver let stand with what they sent, apart from it, for it goes earlier: with a request that is
-- taken back, else some time after the answer (domain::identity::KEPT). Personal: never logged, never public.
CREATE TABLE confirmed_name (
    exemption_request_id uuid CONSTRAINT confirmed_name_request UNIQUE REFERENCES exemption_request,
    dispute_id           uuid CONSTRAINT confirmed_name_dispute UNIQUE REFERENCES dispute,
    -- Who vouches for it, and the issuer's identifier of the person.
    issuer  text NOT NULL CONSTRAINT confirmed_name_issuer CHECK (length(issuer) BETWEEN 1 AND 255),
    subject text NOT NULL CONSTRAINT confirmed_name_subject CHECK (length(subject) BETWEEN 1 AND 255),
    name    text NOT NULL CONSTRAINT confirmed_name_length CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT confirmed_name_of_one CHECK (num_nonnulls(exemption_request_id, dispute_id) = 1)
);

-- By which identity a member of staff may sign in beside the password. One each, and nobody else's.
CREATE TABLE staff_identity (
    staff_id  integer PRIMARY KEY REFERENCES staff ON DELETE CASCADE,
    issuer    text NOT NULL CONSTRAINT staff_identity_issuer CHECK (length(issuer) BETWEEN 1 AND 255),
    subject   text NOT NULL CONSTRAINT staff_identity_subject CHECK (length(subject) BETWEEN 1 AND 255),
    -- As it was when they linked it, so that whoever looks after them sees whose it is.
    name      text NOT NULL CONSTRAINT staff_identity_name CHECK (length(name) BETWEEN 1 AND 100),
    linked_at timestamptz NOT NULL,
    CONSTRAINT staff_identity_unique UNIQUE (issuer, subject)
);

-- How a browser was signed in: an identity opens no more than a password does, and links no other.
ALTER TABLE staff_login ADD COLUMN by_identity boolean NOT NULL DEFAULT false;

-- Answers of a provider that have been used, so that none counts twice whichever process it comes to: the hash of
-- a random state, for as long as its cookie could still be sent.
CREATE TABLE sign_in_spent (
    state_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_spent_expires_at ON sign_in_spent (expires_at);
