-- What was withdrawn does not stand in the way of another notice for the same time.
ALTER TABLE parking_notice DROP CONSTRAINT parking_notice_once;
CREATE UNIQUE INDEX parking_notice_once ON parking_notice (bay_id, plate, starts_at)
    WHERE withdrawn_at IS NULL;
