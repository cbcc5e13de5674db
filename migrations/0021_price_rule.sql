-- By what a city is advised to change prices: domain::advice says the same checks in Rust. A city
-- without a row follows the usual rules.
CREATE TABLE price_rule (
    city_id        integer PRIMARY KEY REFERENCES city,
    -- At this share of occupied time and above, raise; below that one, lower. Basis points.
    raise_from_bp  integer NOT NULL,
    lower_below_bp integer NOT NULL CONSTRAINT price_rule_shares
        CHECK (0 <= lower_below_bp AND lower_below_bp <= raise_from_bp AND raise_from_bp <= 10000),
    -- Prices for an hour, in đồng.
    step_vnd       bigint NOT NULL CONSTRAINT price_rule_step CHECK (step_vnd > 0),
    floor_vnd      bigint NOT NULL,
    ceiling_vnd    bigint NOT NULL CONSTRAINT price_rule_prices
        CHECK (0 <= floor_vnd AND floor_vnd <= ceiling_vnd)
);
