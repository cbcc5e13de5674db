//! `clearbay ledger`.

use api::App;
use domain::id::TransferId;
use domain::ledger::Transfer;
use domain::money::Vnd;
use store::Store;
use uuid::Uuid;

use super::Database;
use crate::out::out;
use crate::textfile::MetricsDir;

/// Look into the books, and prove that they are right.
#[derive(Debug, clap::Subcommand)]
pub enum Ledger {
    /// Prove that debits equal credits, that every payment has its transfers, every receipt its
    /// payment, every refund its way and every wallet its sum; name each break.
    Check(Check),
    /// Show what each account of the city, its operators and gateways holds.
    Balances(Balances),
    /// Correct a mistake by another transfer. Nothing in the books is ever changed.
    Transfer(NewTransfer),
}

/// Prove that the books are right. Ends with 0 where they are, with 1 where they are not.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    metrics: MetricsDir,
}

/// Show what accounts hold.
#[derive(Debug, clap::Args)]
pub struct Balances {
    #[command(flatten)]
    database: Database,
}

/// Correct a mistake by another transfer.
#[derive(Debug, clap::Args)]
pub struct NewTransfer {
    #[command(flatten)]
    database: Database,
    /// The account that is debited, by its code, such as `suspense`.
    #[arg(long)]
    debit: String,
    /// The account that is credited, such as `operator:HKP`.
    #[arg(long)]
    credit: String,
    /// How much, in đồng.
    #[arg(long)]
    amount: i64,
    /// Why, for whoever reads the books.
    #[arg(long)]
    note: String,
}

impl Ledger {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(command) => command.run().await,
            Self::Balances(command) => command.run().await,
            Self::Transfer(command) => command.run().await,
        }
    }
}

impl Check {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        let [transfers, payments, receipts, refunds] = store.ledger_size().await?;
        out!(
            "Checking {transfers} transfers, {payments} payments, {receipts} receipts and {refunds} refunds ..."
        );
        let balances = store.ledger_balances().await?;
        let sum = |side: fn(&store::ledger::Balance) -> i64| {
            balances
                .iter()
                .map(|row| i128::from(side(row)))
                .sum::<i128>()
        };
        let (debits, credits) = (sum(|row| row.debits_vnd), sum(|row| row.credits_vnd));
        let mut breaks = store.ledger_breaks().await?;
        if debits != credits {
            breaks.push(format!("debits are {debits}, credits {credits}"));
        }
        store.close().await;
        for broken in &breaks {
            out!("BREAK  {broken}");
        }
        self.metrics.leave(
            "clearbay_ledger",
            &[
                (
                    "clearbay_ledger_checked_timestamp_seconds",
                    "When the books were last checked, in seconds since 1970.",
                    App::now().timestamp(),
                ),
                (
                    "clearbay_ledger_breaks",
                    "How many breaks the last check of the books found, 100 of each kind at most.",
                    i64::try_from(breaks.len()).unwrap_or(i64::MAX),
                ),
            ],
        )?;
        anyhow::ensure!(
            breaks.is_empty(),
            "the books are not right: {} breaks",
            breaks.len()
        );
        let total = i64::try_from(debits).map_or_else(
            |_| debits.to_string(),
            |debits| Vnd::new(debits).grouped('.'),
        );
        out!("The books are right: {total} đồng of debits and of credits.");
        Ok(())
    }
}

impl Balances {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        show(&store).await?;
        store.close().await;
        Ok(())
    }
}

async fn show(store: &Store) -> anyhow::Result<()> {
    let balances = store.ledger_balances().await?;
    let width = balances.iter().map(|row| row.code.len()).max().unwrap_or(8);
    let money = |amount: i64| Vnd::new(amount).grouped('.');
    out!(
        "{:width$}  {:>18}  {:>18}  {:>18}",
        "account",
        "debits",
        "credits",
        "balance"
    );
    for row in balances {
        out!(
            "{:width$}  {:>18}  {:>18}  {:>18}",
            row.code,
            money(row.debits_vnd),
            money(row.credits_vnd),
            money(row.credits_vnd - row.debits_vnd)
        );
    }
    out!("Amounts in đồng; a balance is credits less debits: what is owed to the account's owner.");
    Ok(())
}

impl NewTransfer {
    async fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.amount > 0, "--amount must be more than nothing");
        anyhow::ensure!(!self.note.trim().is_empty(), "--note must say why");
        let store = self.database.open().await?;
        let account = |code: String| {
            let store = store.clone();
            async move {
                store.account(&code).await.map_err(|_| {
                    anyhow::anyhow!("there is no account {code:?}; see `clearbay ledger balances`")
                })
            }
        };
        let (debit, credit) = (account(self.debit).await?, account(self.credit).await?);
        let now = App::now();
        let id = TransferId(Uuid::now_v7());
        let transfer = Transfer::single(id, debit, credit, Vnd::new(self.amount), now);
        store.ledger_correct(&transfer, &self.note, now).await?;
        out!("Recorded transfer {id}.");
        store.close().await;
        Ok(())
    }
}
