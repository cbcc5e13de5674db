-- For sensors that measure a distance: less than this, in millimetres, is a vehicle.
ALTER TABLE device ADD COLUMN occupied_below_mm integer
    CONSTRAINT device_occupied_below CHECK (occupied_below_mm > 0);
