-- A second factor beside staff's password. A program of the version before does not know of it: while one serves,
-- a password alone opens it.

-- The secret of the codes by time (TOTP, RFC 6238), for those who have enrolled. Not in the clear: `serve` seals it
-- by its session key, so that a copy of the database makes no codes.
CREATE TABLE staff_second_factor (
    staff_id      integer PRIMARY KEY REFERENCES staff ON DELETE CASCADE,
    sealed        text NOT NULL CONSTRAINT staff_second_factor_sealed CHECK (length(sealed) BETWEEN 1 AND 500),
    -- What goes before each recovery code in its hash.
    recovery_salt bytea NOT NULL CONSTRAINT staff_second_factor_salt CHECK (length(recovery_salt) = 16),
    enrolled_at   timestamptz NOT NULL,
    -- The newest step whose code was taken: a code of it, or of an earlier one, is taken no more.
    last_step     bigint NOT NULL,
    -- Wrong codes since the last right one, and when the latest was: each must wait longer. Here and not in a
    -- process, so that nobody guesses at several at once.
    failures      integer NOT NULL DEFAULT 0,
    failed_at     timestamptz
);

-- Codes for when the phone is lost, each good once: SHA-256 of the salt and the code.
CREATE TABLE staff_recovery_code (
    staff_id  integer NOT NULL REFERENCES staff_second_factor ON DELETE CASCADE,
    code_hash bytea NOT NULL CONSTRAINT staff_recovery_code_hash CHECK (length(code_hash) = 32),
    used_at   timestamptz,
    PRIMARY KEY (staff_id, code_hash)
);

-- When whoever is signed in showed last that it is they. Nothing for who signed in before, or at a program of the
-- version before: they are asked.
ALTER TABLE staff_login ADD COLUMN confirmed_at timestamptz;
