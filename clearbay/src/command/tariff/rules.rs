//! `clearbay tariff rules`.

use anyhow::Context;
use domain::advice::PriceRules;
use domain::money::Vnd;

use crate::command::Database;
use crate::out::out;

/// Show by what rules the city is advised to change its prices, and set them.
///
/// The advice stands on the city's page and under /api/v1/reports/price-advice. It changes no price:
/// `clearbay tariff import` does.
#[derive(Debug, clap::Args)]
pub struct Rules {
    #[command(flatten)]
    database: Database,
    /// The city, by its code.
    #[arg(long, env = "CLEARBAY_CITY", default_value = "hanoi")]
    city: String,
    /// Raise where bays are occupied this share of the time or more, in percent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    raise_from: Option<u32>,
    /// Lower where they are occupied less than this share of the time, in percent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    lower_below: Option<u32>,
    /// By how many đồng an hour at once.
    #[arg(long)]
    step: Option<i64>,
    /// Never below so many đồng an hour.
    #[arg(long)]
    floor: Option<i64>,
    /// Never above so many đồng an hour.
    #[arg(long)]
    ceiling: Option<i64>,
}

impl Rules {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = if self.changes_something() {
            self.database.open().await?
        } else {
            self.database.open_to_read().await?
        };
        let done = async {
            let known = store.price_rules(&self.city).await?;
            let rules = self.changed(known);
            if rules != known {
                rules.check().context("nothing was changed")?;
                store.price_rules_set(&self.city, &rules).await?;
            }
            anyhow::Ok(rules)
        };
        let done = done.await;
        store.close().await;
        let rules = done?;
        out!("raise from   {} % occupied", rules.raise_from_bp / 100);
        out!("lower below  {} % occupied", rules.lower_below_bp / 100);
        out!("step         {} an hour", rules.step_vnd);
        out!("floor        {} an hour", rules.floor_vnd);
        out!("ceiling      {} an hour", rules.ceiling_vnd);
        Ok(())
    }

    fn changes_something(&self) -> bool {
        let shares = [self.raise_from, self.lower_below];
        let prices = [self.step, self.floor, self.ceiling];
        shares.iter().any(Option::is_some) || prices.iter().any(Option::is_some)
    }

    fn changed(&self, known: PriceRules) -> PriceRules {
        let share = |percent: Option<u32>, known| percent.map_or(known, |percent| percent * 100);
        let price = |vnd: Option<i64>, known| vnd.map_or(known, Vnd::new);
        PriceRules {
            raise_from_bp: share(self.raise_from, known.raise_from_bp),
            lower_below_bp: share(self.lower_below, known.lower_below_bp),
            step_vnd: price(self.step, known.step_vnd),
            floor_vnd: price(self.floor, known.floor_vnd),
            ceiling_vnd: price(self.ceiling, known.ceiling_vnd),
        }
    }
}
