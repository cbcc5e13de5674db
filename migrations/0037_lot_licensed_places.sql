-- How many vehicles a lot is licensed to hold at once, which may be fewer than its bays: whoever runs it
-- may have painted more. Null where the city has not told.
ALTER TABLE lot ADD COLUMN licensed_places integer
    CONSTRAINT lot_licensed_places CHECK (licensed_places BETWEEN 1 AND 100000);
