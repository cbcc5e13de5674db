-- A sensor that was replaced or taken away: its events name it, so its row stays, without a bay.
ALTER TABLE device ALTER COLUMN bay_id DROP NOT NULL;
