-- What a city's map shows beside its lots. It comes with the city's document and is replaced with it:
-- nothing refers to a single feature.
CREATE TABLE map_feature (
    city_id integer NOT NULL REFERENCES city,
    -- Its place in the document; what comes later is drawn above.
    number  integer NOT NULL,
    kind    text NOT NULL CONSTRAINT map_feature_kind CHECK (kind IN ('street', 'water', 'park')),
    -- Empty where none is to be written.
    name    text NOT NULL,
    -- Degrees, WGS 84: longitude1 latitude1 longitude2 latitude2 ...
    points  double precision[] NOT NULL
        CONSTRAINT map_feature_points CHECK (cardinality(points) >= 4 AND cardinality(points) % 2 = 0),
    PRIMARY KEY (city_id, number)
);
