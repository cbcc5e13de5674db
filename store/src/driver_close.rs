//! A driver gives their wallet up: the number goes, the account and its transfers stay in the books.

use domain::Timestamp;
use domain::money::Vnd;
use serde_json::json;

use crate::audit::{Audit, DRIVER, audit_insert};
use crate::driver::Driver;
use crate::{Store, StoreError};

/// What became of a wish to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The number is gone, with every sign-in.
    Closed,
    /// Nothing has changed, for something is not over.
    Kept(Kept),
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// There is money in the wallet.
    Money(Vnd),
    /// A session runs that it has paid for: what is not used of it comes back into it.
    Session,
    /// An objection is not answered, or money is on its way back.
    Refund,
    /// A payment into it has been asked for this very moment.
    Payment,
}

/// What was paid out of a wallet: `$1` is its account.
const PAID: &str = "SELECT DISTINCT payment_id FROM transfer
    WHERE debit_id = $1 AND payment_id IS NOT NULL AND kind = 'pending'";

impl Store {
    /// Deletes a driver with their number, their sign-ins and the browsers that wait for reminders of what the wallet
    /// paid, where the wallet is empty and nothing of it is open. Money that was to come into it and has not yet goes back
    /// to whoever sends it. Whoever signs in by the number later has a new wallet.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such driver any more.
    pub async fn driver_close(
        &self,
        driver: &Driver,
        now: Timestamp,
    ) -> Result<Closing, StoreError> {
        let account = driver.wallet.account.0;
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM driver WHERE driver_id = $1 AND account_id = $2")
            .bind(driver.id.0)
            .bind(account)
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(StoreError::NotFound("driver"));
        }
        // In the order in which a bank's word locks them: what is to be paid for, then the wallet.
        sqlx::query(
            "UPDATE purchase SET status = 'lapsed'
             WHERE status = 'pending' AND kind = 'top_up' AND account_id = $1",
        )
        .bind(account)
        .execute(&mut *tx)
        .await?;
        let balance: i64 =
            sqlx::query_scalar("SELECT balance_vnd FROM wallet WHERE account_id = $1 FOR UPDATE")
                .bind(account)
                .fetch_one(&mut *tx)
                .await?;
        if balance != 0 {
            return Ok(Closing::Kept(Kept::Money(Vnd::new(balance))));
        }
        let (payment, session, refund): (bool, bool, bool) =
            sqlx::query_as(sqlx::AssertSqlSafe(format!(
                "SELECT EXISTS (SELECT FROM purchase
                            WHERE status = 'pending' AND kind = 'top_up' AND account_id = $1),
                    EXISTS (SELECT FROM ({PAID}) AS paid JOIN payment USING (payment_id)
                                JOIN purchase USING (purchase_id) JOIN session USING (session_id)
                            WHERE session.status = 'paid' AND session.ends_at > $2
                                AND session.stopped_at IS NULL),
                    EXISTS (SELECT FROM ({PAID}) AS paid JOIN receipt USING (payment_id)
                                JOIN dispute USING (receipt_id)
                            WHERE dispute.status = 'open')
                    OR EXISTS (SELECT FROM refund JOIN bank_notice USING (gateway, bank_ref)
                                JOIN payment ON payment.payment_id
                                    = coalesce(refund.payment_id, bank_notice.payment_id)
                                JOIN purchase USING (purchase_id)
                            WHERE refund.status <> 'done'
                                AND (purchase.account_id = $1 OR payment.payment_id IN ({PAID})))"
            )))
            .bind(account)
            .bind(now)
            .fetch_one(&mut *tx)
            .await?;
        let kept = [
            (session, Kept::Session),
            (refund, Kept::Refund),
            (payment, Kept::Payment),
        ];
        if let Some((_, why)) = kept.into_iter().find(|(stands, _)| *stands) {
            return Ok(Closing::Kept(why));
        }
        sqlx::query("UPDATE wallet SET closed_at = $2 WHERE account_id = $1")
            .bind(account)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "DELETE FROM push_subscription WHERE session_id IN (
                SELECT purchase.session_id FROM ({PAID}) AS paid JOIN payment USING (payment_id)
                    JOIN purchase USING (purchase_id))"
        )))
        .bind(account)
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            detail: json!({ "wallet": driver.wallet.id }),
            ..Audit::new(DRIVER, "driver.delete")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Closing::Closed)
    }
}
