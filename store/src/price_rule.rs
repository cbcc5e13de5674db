//! By what a city is advised to change its prices.

use domain::advice::PriceRules;
use domain::money::Vnd;

use crate::{Store, StoreError, corrupt};

impl Store {
    /// A city's rules; the usual ones where it has set none.
    ///
    /// # Errors
    /// Database errors.
    pub async fn price_rules(&self, city: &str) -> Result<PriceRules, StoreError> {
        let row: Option<(i32, i32, i64, i64, i64)> = sqlx::query_as(
            "SELECT raise_from_bp, lower_below_bp, step_vnd, floor_vnd, ceiling_vnd
             FROM price_rule JOIN city USING (city_id) WHERE code = $1",
        )
        .bind(city)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map_or_else(PriceRules::default, |row| PriceRules {
            raise_from_bp: row.0.unsigned_abs(),
            lower_below_bp: row.1.unsigned_abs(),
            step_vnd: Vnd::new(row.2),
            floor_vnd: Vnd::new(row.3),
            ceiling_vnd: Vnd::new(row.4),
        }))
    }

    /// Sets a city's rules.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such city; [`StoreError::Corrupt`] for rules that
    /// contradict themselves; database errors.
    pub async fn price_rules_set(&self, city: &str, rules: &PriceRules) -> Result<(), StoreError> {
        rules
            .check()
            .map_err(|error| corrupt("price rules", error))?;
        let share = |bp: u32| i32::try_from(bp).unwrap_or(10_000);
        let done = sqlx::query(
            "INSERT INTO price_rule
             SELECT city_id, $2, $3, $4, $5, $6 FROM city WHERE code = $1
             ON CONFLICT (city_id) DO UPDATE SET raise_from_bp = excluded.raise_from_bp,
                lower_below_bp = excluded.lower_below_bp, step_vnd = excluded.step_vnd,
                floor_vnd = excluded.floor_vnd, ceiling_vnd = excluded.ceiling_vnd",
        )
        .bind(city)
        .bind(share(rules.raise_from_bp))
        .bind(share(rules.lower_below_bp))
        .bind(rules.step_vnd.get())
        .bind(rules.floor_vnd.get())
        .bind(rules.ceiling_vnd.get())
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(StoreError::NotFound("city")),
            _ => Ok(()),
        }
    }
}
