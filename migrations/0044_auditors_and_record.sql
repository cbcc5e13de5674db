-- Who reads what the city's staff read, and changes nothing. A program of the version before does not know the word:
-- add the first auditor once all programs are new.
ALTER TABLE staff
    DROP CONSTRAINT staff_role,
    ADD CONSTRAINT staff_role CHECK (role IN ('staff', 'administrator', 'auditor')),
    ADD CONSTRAINT staff_auditor_is_the_city_s CHECK (role <> 'auditor' OR operator_id IS NULL);
