-- What staff may do beside their work, and who works here no longer: nobody is ever deleted, for the record
-- names them.
ALTER TABLE staff
    ADD COLUMN role        text NOT NULL DEFAULT 'staff'
        CONSTRAINT staff_role CHECK (role IN ('staff', 'administrator')),
    ADD COLUMN disabled_at timestamptz;
