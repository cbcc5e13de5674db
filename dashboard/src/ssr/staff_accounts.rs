//! On `/staff/money`: the accounts into which drivers pay, and what was changed of them.

use api::App;
use api::service::account::{Accounts, new_since};
use chrono_tz::Tz;
use domain::vietqr::{bank_name, masked_account};
use leptos::prelude::*;
use store::account_change::{AccountChange, PaidInto};

use super::parts::{day, minute};
use crate::lang::Lang;

/// A bank with the end of an account at it.
fn account(bin: &str, account: &str) -> String {
    format!(
        "{} {}",
        bank_name(bin).unwrap_or(bin),
        masked_account(account)
    )
}

/// Nothing where there is no account to see.
pub(super) fn view(accounts: Accounts, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let text = lang.staff_accounts();
    let now = App::now();
    let Accounts {
        now: accounts,
        changes,
    } = accounts;
    let unchanged = changes.is_empty();
    let account_row = move |it: PaidInto| {
        let new = new_since(&it, now).map(|at| {
            view! { " · " <b data-changed-on>{text.changed_on} " " {day(at, tz)}</b> }
        });
        view! { <li>{it.name} ": " {account(&it.bank_bin, &it.bank_account)} {new}</li> }
    };
    let change_row = move |it: AccountChange| {
        view! {
            <tr data-account-change>
                <td>{minute(it.at, tz)}</td>
                <td>{it.name}</td>
                <td>{account(&it.bin_before, &it.account_before)} " → " {account(&it.bin_after, &it.account_after)}</td>
                <td><code>{it.actor}</code></td>
            </tr>
        }
    };
    (!accounts.is_empty()).then(|| {
        view! {
            <section class="card" id="accounts">
                <h2>{text.accounts}</h2>
                <p class="note">{text.what_they_are}</p>
                <ul>{accounts.into_iter().map(account_row).collect_view()}</ul>
                <h3>{text.changes}</h3>
                {unchanged.then(|| view! { <p class="empty">{text.none}</p> })}
                {(!unchanged).then(|| view! {
                    <div class="scroll"><table class="grid rows">
                        <thead><tr>
                            <th scope="col">{lang.words().at}</th>
                            <th scope="col">{text.operator}</th>
                            <th scope="col">{text.before_and_after}</th>
                            <th scope="col">{text.by}</th>
                        </tr></thead>
                        <tbody>{changes.into_iter().map(change_row).collect_view()}</tbody>
                    </table></div>
                })}
            </section>
        }
    })
}
