//! By what the broker knows devices' and services' passwords. The passwords themselves are not kept.

use domain::Timestamp;
use domain::device::DeviceModel;
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::{Store, StoreError};

/// What is kept of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerCredential {
    /// As mosquitto's password file has it.
    pub mosquitto_hash: String,
    /// As RabbitMQ's definitions have it.
    pub rabbitmq_hash: String,
    /// When the password was made.
    pub made_at: Timestamp,
}

/// A device that stands in a bay, or that has a password from when it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerDevice {
    /// Its key.
    pub id: i32,
    /// What it calls itself.
    pub name: String,
    /// Its model.
    pub model: DeviceModel,
    /// The code of the bay in which it stands, where it does.
    pub bay: Option<String>,
    /// What is kept of its password, where it has one.
    pub credential: Option<BrokerCredential>,
}

/// Whose a password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialOf<'a> {
    /// A device's, by its key.
    Device(i32),
    /// A service's, by its name.
    Service(&'a str),
}

/// A password that was made, as it is kept.
#[derive(Clone, Debug)]
pub struct NewCredential<'a> {
    /// Whose it is.
    pub of: CredentialOf<'a>,
    /// The user's name at the broker.
    pub name: &'a str,
    /// When the password was made in whose place it comes, where there was one.
    pub replaces: Option<Timestamp>,
    /// As mosquitto's password file has it.
    pub mosquitto_hash: String,
    /// As RabbitMQ's definitions have it.
    pub rabbitmq_hash: String,
}

#[derive(FromRow)]
struct DeviceRow {
    device_id: i32,
    name: String,
    #[sqlx(try_from = "String")]
    model: DeviceModel,
    bay: Option<String>,
    mosquitto_hash: Option<String>,
    rabbitmq_hash: Option<String>,
    made_at: Option<Timestamp>,
}

impl DeviceRow {
    fn device(self) -> BrokerDevice {
        let hashes = self.mosquitto_hash.zip(self.rabbitmq_hash);
        let credential =
            hashes
                .zip(self.made_at)
                .map(
                    |((mosquitto_hash, rabbitmq_hash), made_at)| BrokerCredential {
                        mosquitto_hash,
                        rabbitmq_hash,
                        made_at,
                    },
                );
        BrokerDevice {
            id: self.device_id,
            name: self.name,
            model: self.model,
            bay: self.bay,
            credential,
        }
    }
}

impl Store {
    /// The devices that stand in a bay, and those that have a password from when they did, by name.
    ///
    /// # Errors
    /// Database errors.
    pub async fn broker_devices(&self) -> Result<Vec<BrokerDevice>, StoreError> {
        let rows: Vec<DeviceRow> = sqlx::query_as(
            "SELECT device.device_id, device.name, device.model, bay.code AS bay,
                    mosquitto_hash, rabbitmq_hash, made_at
             FROM device
                  LEFT JOIN device_assignment AS standing
                         ON standing.device_id = device.device_id AND upper_inf(standing.during)
                  LEFT JOIN bay ON bay.bay_id = standing.bay_id
                  LEFT JOIN broker_credential AS credential
                         ON credential.device_id = device.device_id
             WHERE bay.bay_id IS NOT NULL OR credential.device_id IS NOT NULL
             ORDER BY device.name",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(DeviceRow::device).collect())
    }

    /// The services that have a password, by name.
    ///
    /// # Errors
    /// Database errors.
    pub async fn broker_services(&self) -> Result<Vec<(String, BrokerCredential)>, StoreError> {
        let rows: Vec<(String, String, String, Timestamp)> = sqlx::query_as(
            "SELECT service, mosquitto_hash, rabbitmq_hash, made_at FROM broker_credential
             WHERE service IS NOT NULL ORDER BY service",
        )
        .fetch_all(&self.pool)
        .await?;
        let credential = |(name, mosquitto_hash, rabbitmq_hash, made_at)| {
            let credential = BrokerCredential {
                mosquitto_hash,
                rabbitmq_hash,
                made_at,
            };
            (name, credential)
        };
        Ok(rows.into_iter().map(credential).collect())
    }

    /// Keeps passwords that were made, on the record. All or nothing.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where one of them has had another password made meanwhile than
    /// the one that is replaced; database errors.
    pub async fn broker_credentials_put(
        &self,
        made: &[NewCredential<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let (mut devices, mut services) = (Vec::new(), Vec::new());
        for new in made {
            match new.of {
                CredentialOf::Device(id) => devices.push((id, new)),
                CredentialOf::Service(name) => services.push((name, new)),
            }
        }
        put(&mut tx, ("device_id", "int"), &devices, now).await?;
        put(&mut tx, ("service", "text"), &services, now).await?;
        let services: Vec<&str> = services.iter().map(|(name, _)| *name).collect();
        let renewed = made.iter().filter(|new| new.replaces.is_some());
        let renewed: Vec<&str> = renewed.map(|new| new.name).collect();
        let audit = Audit {
            detail: json!({ "devices": devices.len(), "services": services, "renewed": renewed }),
            ..Audit::new("operator of this system", "broker_credential.make")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes credentials whose owner is named in that column, of that type.
async fn put<'q, K>(
    tx: &mut PgConnection,
    (column, kind): (&str, &str),
    made: &[(K, &NewCredential<'_>)],
    now: Timestamp,
) -> Result<(), StoreError>
where
    K: Copy,
    Vec<K>: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + 'q,
{
    let keys = || made.iter().map(|(key, _)| *key).collect::<Vec<K>>();
    let replaces: Vec<Option<Timestamp>> = made.iter().map(|(_, new)| new.replaces).collect();
    let replaced = format!(
        "DELETE FROM broker_credential USING unnest($1::{kind}[], $2::timestamptz[]) AS new (key, at)
         WHERE {column} = key AND made_at = at"
    );
    sqlx::query(AssertSqlSafe(replaced))
        .bind(keys())
        .bind(replaces)
        .execute(&mut *tx)
        .await?;
    // Whoever has another one by now is left, and breaks the rule that each has one.
    let written = format!(
        "INSERT INTO broker_credential ({column}, mosquitto_hash, rabbitmq_hash, made_at)
         SELECT key, mosquitto, rabbitmq, $4
         FROM unnest($1::{kind}[], $2::text[], $3::text[]) AS new (key, mosquitto, rabbitmq)"
    );
    let mosquitto = made.iter().map(|(_, new)| new.mosquitto_hash.as_str());
    let rabbitmq = made.iter().map(|(_, new)| new.rabbitmq_hash.as_str());
    sqlx::query(AssertSqlSafe(written))
        .bind(keys())
        .bind(mosquitto.collect::<Vec<_>>())
        .bind(rabbitmq.collect::<Vec<_>>())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}
