-- Who may look behind the counter.

CREATE TABLE staff (
    staff_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login         text NOT NULL CONSTRAINT staff_login_unique UNIQUE,
    name          text NOT NULL,
    -- argon2id in PHC form.
    password_hash text NOT NULL,
    -- Staff of one operator see its lots only; null is the city, which sees all.
    operator_id   integer REFERENCES operator
);

-- A signed-in browser. The cookie holds the token, we hold its SHA-256.
CREATE TABLE staff_login (
    token_hash bytea PRIMARY KEY,
    staff_id   integer NOT NULL REFERENCES staff ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
