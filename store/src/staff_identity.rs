//! Members of staff who sign in by an identity provider: which identity is whose.

use domain::Timestamp;
use domain::identity::Identity;
use serde_json::json;
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::signed_in::{SignedIn, member_held, signed_in};
use crate::staff::{Staff, StaffSignIn, login_opened};
use crate::{Store, StoreError};

/// What became of an identity that a member of staff wanted to sign in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// They may, from now on or since before.
    Done,
    /// They are signed in no longer.
    SignedOut,
    /// They are signed in by an identity, not by their password.
    NotByPassword,
    /// They have another already.
    HasAnother,
    /// It is another member's.
    Taken,
}

/// By what identity a member of staff may sign in.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct StaffIdentity {
    /// Who vouches for it.
    pub issuer: String,
    /// The name, as it was then.
    pub name: String,
    /// Since when.
    pub linked_at: Timestamp,
}

impl Store {
    /// By what identity a member of staff may sign in.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_identity(&self, staff_id: i32) -> Result<Option<StaffIdentity>, StoreError> {
        let found = "SELECT issuer, name, linked_at FROM staff_identity WHERE staff_id = $1";
        Ok(sqlx::query_as(found)
            .bind(staff_id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Lets whoever is signed in with that token, by their password, sign in by an identity, on the record.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_identity_link(
        &self,
        token_hash: &[u8; 32],
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Linked, StoreError> {
        let mut tx = self.begin().await?;
        let Some(member) = signed_in(&mut tx, token_hash, now).await? else {
            return Ok(Linked::SignedOut);
        };
        let SignedIn {
            staff_id,
            login,
            by_identity,
        } = member;
        if by_identity {
            return Ok(Linked::NotByPassword);
        }
        let done = sqlx::query(
            "INSERT INTO staff_identity (staff_id, issuer, subject, name, linked_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(staff_id)
        .bind(&identity.issuer)
        .bind(&identity.subject)
        .bind(&identity.name)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return in_the_way(&mut tx, staff_id, identity).await;
        }
        let audit = Audit {
            detail: json!({ "login": login, "issuer": identity.issuer }),
            ..Audit::new(Staff::actor_of(&login), "staff.link")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Linked::Done)
    }

    /// Takes a member's identity away, on the record; wherever they were signed in by it, they are no longer.
    /// `false` where they have none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such member.
    pub async fn staff_identity_unlink(
        &self,
        login: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // The member's row first: a sign-in that still holds it has its session here before this goes on.
        let id = member_held(&mut tx, login).await?;
        if !staff_identity_delete(&mut tx, id).await? {
            return Ok(false);
        }
        sqlx::query("DELETE FROM staff_login WHERE staff_id = $1 AND by_identity")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let audit = Audit {
            detail: json!({ "login": login }),
            ..Audit::new(by, "staff.unlink")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Signs a browser in by an identity, if it is a member's who may come in; what it was signed in as before
    /// ends. On the record. The result is whether it is.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_login_open_by_identity(
        &self,
        (issuer, subject): (&str, &str),
        sign_in: &StaffSignIn,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        // The locks on both rows make whoever shuts the member out, gives a new password or takes the identity
        // away either wait until this session is there to be ended, or be over before the rows are looked at.
        let opened: Option<String> = sqlx::query_scalar(
            "INSERT INTO staff_login (token_hash, staff_id, created_at, expires_at, by_identity, confirmed_at)
             SELECT $1, staff_id, $4, $5, true, $4 FROM staff JOIN staff_identity USING (staff_id)
             WHERE issuer = $2 AND subject = $3 AND disabled_at IS NULL FOR SHARE
             RETURNING (SELECT login FROM staff WHERE staff.staff_id = staff_login.staff_id)",
        )
        .bind(&sign_in.token_hash[..])
        .bind(issuer)
        .bind(subject)
        .bind(sign_in.at)
        .bind(sign_in.expires_at)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(login) = &opened {
            login_opened(&mut tx, login, sign_in, "identity").await?;
        }
        tx.commit().await?;
        Ok(opened.is_some())
    }
}

/// Takes a member's identity away, whose row is held; whether there was one.
pub(crate) async fn staff_identity_delete(
    tx: &mut PgConnection,
    staff_id: i32,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM staff_identity WHERE staff_id = $1")
        .bind(staff_id)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Why an identity could not be written down: their own, or somebody else's, stands there.
async fn in_the_way(
    tx: &mut PgConnection,
    staff_id: i32,
    identity: &Identity,
) -> Result<Linked, StoreError> {
    let own: Option<(String, String)> =
        sqlx::query_as("SELECT issuer, subject FROM staff_identity WHERE staff_id = $1")
            .bind(staff_id)
            .fetch_optional(tx)
            .await?;
    Ok(match own {
        Some(own) if own == (identity.issuer.clone(), identity.subject.clone()) => Linked::Done,
        Some(_) => Linked::HasAnother,
        None => Linked::Taken,
    })
}
