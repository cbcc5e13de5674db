-- Whoever folds takes bays from device_assignment, which refers to them, and bays are never deleted. To
-- look each of them up again, and lock it, would cost more than to write the stay.
ALTER TABLE stay DROP CONSTRAINT stay_bay_id_fkey;
ALTER TABLE bay_state DROP CONSTRAINT bay_state_bay_id_fkey;
-- A state is rewritten with every batch that tells of its bay: on its own page, with no index to touch.
ALTER TABLE bay_state SET (fillfactor = 40);
