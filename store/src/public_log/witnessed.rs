//! The tree head that others have witnessed.

use domain::Timestamp;
use domain::log::TreeHead;

use super::signed;
use crate::{Store, StoreError};

impl Store {
    /// The newest tree head that witnesses have cosigned, with their lines; `None` where none has.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_witnessed(&self, city: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT checkpoint || cosignatures FROM log_witnessed JOIN city USING (city_id)
             WHERE code = $1",
        )
        .bind(city)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Keeps what witnesses have cosigned. A smaller tree never takes the place of a larger one, nor fewer lines
    /// that of more for the same.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_witnessed_put(
        &self,
        city: &str,
        head: &TreeHead,
        (checkpoint, cosignatures): (&[u8], &[u8]),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO log_witnessed (city_id, size, root, checkpoint, cosignatures, witnessed_at)
             SELECT city_id, $2, $3, $4, $5, $6 FROM city WHERE code = $1
             ON CONFLICT (city_id) DO UPDATE SET size = excluded.size, root = excluded.root,
                checkpoint = excluded.checkpoint, cosignatures = excluded.cosignatures,
                witnessed_at = excluded.witnessed_at
             WHERE (log_witnessed.size, octet_length(log_witnessed.cosignatures))
                 <= (excluded.size, octet_length(excluded.cosignatures))",
        )
        .bind(city)
        .bind(signed(head.size))
        .bind(&head.root.0[..])
        .bind(checkpoint)
        .bind(cosignatures)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
