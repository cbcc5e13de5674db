-- Which device watched which bay, and when: a sensor that is swapped or moved takes no history along.
-- Whatever a device said while no bay was its own stays with it, and counts once one is.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE device_assignment (
    device_assignment_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id            integer NOT NULL REFERENCES device,
    bay_id               integer NOT NULL REFERENCES bay,
    -- From the installation, included, to the removal; without a lower bound, from the device's first
    -- word; without an upper bound, still there.
    during               tstzrange NOT NULL,
    -- Seconds without a word after which the bay is unknown; null for recordings only.
    silence_after_s      integer CONSTRAINT device_assignment_silence CHECK (silence_after_s > 0),
    CONSTRAINT device_assignment_during CHECK (NOT isempty(during)),
    CONSTRAINT device_assignment_one_bay EXCLUDE USING gist (device_id WITH =, during WITH &&),
    CONSTRAINT device_assignment_one_device EXCLUDE USING gist (bay_id WITH =, during WITH &&)
);

INSERT INTO device_assignment (device_id, bay_id, during, silence_after_s)
SELECT device_id, bay_id, tstzrange(NULL, NULL), silence_after_s FROM device WHERE bay_id IS NOT NULL;

-- Rises with every change of what decides how events become stays and figures: assignments, and
-- doubts about a device. One row.
CREATE TABLE watch_version (
    one     boolean PRIMARY KEY DEFAULT true CONSTRAINT watch_version_one CHECK (one),
    version bigint NOT NULL
);
INSERT INTO watch_version (version) VALUES (1);

-- An event is a device's. Its bay follows from the assignment at its time.
ALTER TABLE event DROP CONSTRAINT event_pkey;
ALTER TABLE event ADD PRIMARY KEY (device_id, at, seq, occupied);
ALTER TABLE event DROP COLUMN bay_id;

ALTER TABLE device DROP COLUMN bay_id, DROP COLUMN silence_after_s;

-- From when on the present state has been told without a silence too long to be believed.
ALTER TABLE bay_state ADD COLUMN known_from timestamptz;
UPDATE bay_state SET known_from = last_at;
ALTER TABLE bay_state ALTER COLUMN known_from SET NOT NULL;
