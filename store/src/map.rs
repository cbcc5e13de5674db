//! What cities' maps show beside the lots.

use domain::map::{FeatureKind, MapFeature};
use sqlx::PgConnection;

use crate::{Store, StoreError, corrupt};

impl Store {
    /// What a city's map shows, in order; nothing where there is no such city.
    ///
    /// # Errors
    /// Database errors, and [`StoreError::Corrupt`] for kinds this version does not know.
    pub async fn map_features(&self, city_code: &str) -> Result<Vec<MapFeature>, StoreError> {
        let rows: Vec<(String, String, Vec<f64>)> = sqlx::query_as(
            "SELECT kind, map_feature.name, points FROM map_feature JOIN city USING (city_id)
             WHERE city.code = $1 ORDER BY number",
        )
        .bind(city_code)
        .fetch_all(&self.pool)
        .await?;
        let feature = |(kind, name, points): (String, String, Vec<f64>)| {
            Ok(MapFeature {
                kind: FeatureKind::from_code(&kind)
                    .ok_or_else(|| corrupt("kind of map feature", &kind))?,
                name,
                points: points
                    .chunks_exact(2)
                    .map(|pair| [pair[0], pair[1]])
                    .collect(),
            })
        };
        rows.into_iter().map(feature).collect()
    }
}

/// Draws a city's map anew.
pub(crate) async fn import_map(
    tx: &mut PgConnection,
    city: i32,
    features: &[MapFeature],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM map_feature WHERE city_id = $1")
        .bind(city)
        .execute(&mut *tx)
        .await?;
    for (number, feature) in (0_i32..).zip(features) {
        sqlx::query(
            "INSERT INTO map_feature (city_id, number, kind, name, points)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(city)
        .bind(number)
        .bind(feature.kind.code())
        .bind(&feature.name)
        .bind(feature.points.as_flattened())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
