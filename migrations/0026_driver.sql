-- Drivers who gave a phone number: their money with us is reached by it, from any phone.

CREATE TABLE driver (
    driver_id  uuid PRIMARY KEY,
    -- E.164. Personal data: never logged, never public.
    phone      text NOT NULL CONSTRAINT driver_phone_unique UNIQUE
               CONSTRAINT driver_phone CHECK (phone ~ '^\+[1-9][0-9]{7,14}$'),
    account_id integer NOT NULL CONSTRAINT driver_wallet_unique UNIQUE REFERENCES wallet (account_id),
    created_at timestamptz NOT NULL
);

-- A signed-in browser. The cookie holds the token, we hold its SHA-256.
CREATE TABLE driver_login (
    token_hash bytea PRIMARY KEY,
    driver_id  uuid NOT NULL REFERENCES driver ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX driver_login_driver ON driver_login (driver_id);
CREATE INDEX driver_login_expires_at ON driver_login (expires_at);

-- The code that was sent to a number last, and how often one was, for each costs money and may annoy.
CREATE TABLE login_code (
    phone        text PRIMARY KEY CONSTRAINT login_code_phone CHECK (phone ~ '^\+[1-9][0-9]{7,14}$'),
    -- Under a key that the database does not have: a million codes are quickly tried.
    code_hash    bytea NOT NULL CONSTRAINT login_code_hash CHECK (length(code_hash) = 32),
    sent_at      timestamptz NOT NULL,
    -- Until when it is good; a code that was used is good no more.
    expires_at   timestamptz NOT NULL,
    -- How often it was tried.
    attempts     smallint NOT NULL DEFAULT 0 CONSTRAINT login_code_attempts CHECK (attempts BETWEEN 0 AND 5),
    -- Codes sent to the number within a day of the first.
    day_began_at timestamptz NOT NULL,
    day_count    smallint NOT NULL CONSTRAINT login_code_day_count CHECK (day_count >= 1)
);
CREATE INDEX login_code_sent_at ON login_code (sent_at);
