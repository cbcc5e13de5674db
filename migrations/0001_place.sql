-- The city: who runs what, where it is, and what it costs.

CREATE TABLE city (
    city_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code     text NOT NULL CONSTRAINT city_code_unique UNIQUE,
    name     text NOT NULL,
    -- IANA name. A city's days and price windows are counted in it.
    timezone text NOT NULL
);

CREATE TABLE operator (
    operator_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL CONSTRAINT operator_code_unique UNIQUE,
    name         text NOT NULL,
    -- NAPAS BIN and account into which drivers pay.
    bank_bin     text NOT NULL CONSTRAINT operator_bank_bin CHECK (bank_bin ~ '^[0-9]{6}$'),
    bank_account text NOT NULL
);

CREATE TABLE ward (
    ward_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    city_id integer NOT NULL REFERENCES city,
    code    text NOT NULL,
    name    text NOT NULL,
    CONSTRAINT ward_code_unique UNIQUE (city_id, code)
);

CREATE TABLE zone (
    zone_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    city_id integer NOT NULL REFERENCES city,
    code    text NOT NULL,
    name    text NOT NULL,
    CONSTRAINT zone_code_unique UNIQUE (city_id, code)
);

-- One version of the price of one class in one zone. A version in use is never changed: a new
-- price is a new row with a later effective_from.
CREATE TABLE tariff (
    tariff_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zone_id        integer NOT NULL REFERENCES zone,
    class          text NOT NULL CONSTRAINT tariff_class CHECK (class IN ('car', 'motorbike')),
    effective_from timestamptz NOT NULL,
    -- domain::tariff::Tariff, validated before it is written.
    document       jsonb NOT NULL,
    CONSTRAINT tariff_version_unique UNIQUE (zone_id, class, effective_from)
);

CREATE TABLE lot (
    lot_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    city_id     integer NOT NULL REFERENCES city,
    ward_id     integer NOT NULL REFERENCES ward,
    zone_id     integer NOT NULL REFERENCES zone,
    operator_id integer NOT NULL REFERENCES operator,
    code        text NOT NULL CONSTRAINT lot_code_unique UNIQUE,
    name        text NOT NULL,
    kind        text NOT NULL CONSTRAINT lot_kind CHECK (kind IN ('off_street', 'street')),
    -- Degrees, WGS 84.
    longitude   double precision NOT NULL CONSTRAINT lot_longitude CHECK (longitude BETWEEN -180 AND 180),
    latitude    double precision NOT NULL CONSTRAINT lot_latitude CHECK (latitude BETWEEN -90 AND 90)
);

CREATE TABLE bay (
    bay_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lot_id  integer NOT NULL REFERENCES lot,
    code    text NOT NULL CONSTRAINT bay_code_unique UNIQUE,
    class   text NOT NULL CONSTRAINT bay_class CHECK (class IN ('car', 'motorbike')),
    -- Four corners, metres east and north of the lot's position: x1 y1 x2 y2 x3 y3 x4 y4.
    outline real[] NOT NULL CONSTRAINT bay_outline CHECK (array_length(outline, 1) = 8)
);
CREATE INDEX bay_lot ON bay (lot_id);

CREATE TABLE device (
    device_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What the device calls itself: the topic's name, or a LoRaWAN DevEUI in lower-case hex.
    name            text NOT NULL CONSTRAINT device_name_unique UNIQUE,
    bay_id          integer NOT NULL CONSTRAINT device_bay_unique UNIQUE REFERENCES bay,
    model           text NOT NULL,
    -- Seconds without a word after which the bay is unknown; null for recordings only.
    silence_after_s integer CONSTRAINT device_silence CHECK (silence_after_s > 0)
);
