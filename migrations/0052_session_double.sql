-- Sessions of which some time may have been paid twice: another one of the same vehicle is in the same bay at the same
-- time. Each is looked at when it has ended, and goes from here then. A process that does not know of it gives such money
-- back at once, and that is not given back again.
SET LOCAL lock_timeout = '3s';

CREATE TABLE session_double (
    session_id uuid PRIMARY KEY REFERENCES session
);
