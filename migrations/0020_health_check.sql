-- When devices were looked at last, and what the newest word of any of them was then: silence is a
-- device's own only where others are heard up to now. One row.
CREATE TABLE health_check (
    one        boolean PRIMARY KEY DEFAULT true CONSTRAINT health_check_one CHECK (one),
    checked_at timestamptz NOT NULL,
    newest_at  timestamptz
);
