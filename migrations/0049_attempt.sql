-- What was tried of late that may not be tried often, guessing a password above all: counted here, so that all processes
-- of a city count together and none forgets at its end. Whoever waits is not forgotten before they have waited.
CREATE TABLE attempt (
    -- Of what and from where: a keyed hash. Nobody reads a login or an address here.
    about        bytea PRIMARY KEY CONSTRAINT attempt_about CHECK (octet_length(about) = 32),
    -- How many came to nothing since the last that went well, and when the last was.
    failures     integer NOT NULL DEFAULT 0 CONSTRAINT attempt_failures CHECK (failures >= 0),
    failed_at    timestamptz,
    -- Until when all that was tried has used up its rate.
    used_until   timestamptz,
    -- When one went well last.
    went_well_at timestamptz,
    forget_at    timestamptz NOT NULL
);
CREATE INDEX attempt_forget_at ON attempt (forget_at);
