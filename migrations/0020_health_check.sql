-- When the devices of a model were looked at last, and what the newest word of any of them was then:
-- silence is a device's own only where others are heard up to now. Devices of one model come by one
-- network, in one order.
CREATE TABLE health_check (
    model      text PRIMARY KEY,
    checked_at timestamptz NOT NULL,
    newest_at  timestamptz
);
