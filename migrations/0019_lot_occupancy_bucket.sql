-- The city's month is a range of buckets over all lots. Rows are written nearly in the order of their
-- buckets, so that a summary of each few pages finds a month among many years, and costs next to nothing
-- to keep.
CREATE INDEX lot_occupancy_bucket ON lot_occupancy
    USING brin (bucket) WITH (pages_per_range = 16, autosummarize = on);
