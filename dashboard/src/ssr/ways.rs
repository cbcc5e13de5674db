//! How a driver may pay: a button for each gateway, and for the wallet of whoever is signed in.

use api::gateway::{vietqr, wallet};
use api::service::driver;
use api::service::payment::Means;
use api::{ApiError, App};
use axum::http::HeaderMap;
use domain::money::Vnd;
use leptos::prelude::*;

use crate::lang::Lang;

/// What the button says that has a wallet hold a long stay's price, and pay for the time parked.
pub(super) const METERED: &str = "wallet-metered";

/// The ways to pay that a page offers.
pub(super) struct Ways {
    /// Gateways by code and name: bank transfer first.
    gateways: Vec<(&'static str, &'static str)>,
    /// What the driver's wallet can pay, where the driver is signed in.
    wallet: Option<Vnd>,
    /// Whether a driver who is not can sign in.
    can_sign_in: bool,
}

impl Ways {
    /// Those of the browser that sends these headers. That its driver cannot be looked up is no reason
    /// to offer nothing.
    pub(super) async fn of(app: &App, headers: &HeaderMap) -> Self {
        let driver = driver::signed_in(app, headers, App::now()).await;
        let wallet = driver.ok().flatten().map(|driver| driver.wallet);
        Self {
            wallet: wallet.map(|wallet| wallet.available_vnd()),
            can_sign_in: driver::is_offered(app),
            ..Self::gateways(app)
        }
    }

    /// The gateways alone: what fills a wallet is no wallet.
    pub(super) fn gateways(app: &App) -> Self {
        let mut gateways: Vec<_> = app
            .gateways
            .iter()
            .filter(|gateway| gateway.code() != wallet::CODE)
            .map(|gateway| (gateway.code(), gateway.name()))
            .collect();
        gateways.sort_by_key(|(code, _)| *code != vietqr::CODE);
        Self {
            gateways,
            wallet: None,
            can_sign_in: false,
        }
    }

    /// The code of the first, for a form that has nothing to pay.
    pub(super) fn first(&self) -> &'static str {
        self.gateways.first().map_or("", |(code, _)| code)
    }

    /// What the driver's wallet can pay, where the driver is signed in.
    pub(super) const fn wallet(&self) -> Option<Vnd> {
        self.wallet
    }

    /// A button for each; the first is the one that is recommended: the wallet, where there is money in
    /// it, for nothing else has to be opened.
    pub(super) fn buttons(&self, lang: Lang) -> impl IntoView + use<> {
        let filled = self.wallet.filter(|money| *money > Vnd::ZERO);
        let from_wallet = filled.map(|money| {
            let money = lang.money(money);
            view! {
                <button class="primary" name="gateway" value=wallet::CODE>
                    {lang.ways().pay_from_the_wallet} <small>{lang.ways().holds} {money}</small>
                </button>
            }
        });
        let buttons = self
            .gateways
            .iter()
            .enumerate()
            .map(|(index, (code, name))| {
                let class = match (index, filled) {
                    (0, None) => "primary",
                    (0, Some(_)) => "second",
                    _ => "",
                };
                let text = match *code {
                    vietqr::CODE => lang.ways().pay_by_vietqr,
                    _ => *name,
                };
                view! { <button class=class name="gateway" value=*code>{text}</button> }
            });
        let buttons = buttons.collect_view();
        view! { <div class="pay-buttons">{from_wallet} {buttons}</div> }
    }

    /// As [`Self::buttons`], for choices of which some cost nothing (`data-free`): while such a one is
    /// chosen, the style sheet shows the button `free` in their place, for it asks for no money.
    pub(super) fn buttons_or(&self, free: &'static str, lang: Lang) -> impl IntoView + use<> {
        view! {
            {self.buttons(lang)}
            <div class="pay-buttons free-only">
                <button class="primary" name="gateway" value=self.first()>{free}</button>
            </div>
        }
    }

    /// The way to a wallet, for a driver who is not signed in or has nothing in it; `back` is the page
    /// to come back to.
    pub(super) fn to_wallet(&self, back: &str, lang: Lang) -> impl IntoView + use<> {
        let text = match self.wallet {
            None => lang.ways().have_wallet_sign_phone_number,
            Some(_) => lang.ways().put_money_into_the_wallet,
        };
        let is_offered = match self.wallet {
            None => self.can_sign_in,
            Some(money) => money == Vnd::ZERO,
        };
        let href = format!("/wallet?to={back}");
        is_offered.then(|| view! { <p><a href=href>{text}</a></p> })
    }
}

/// The gateway of the button that was pressed; of the usual one where none was: by the return key, or
/// by a phone without a signal.
pub(super) fn pressed(code: &str) -> &str {
    match code {
        "" => vietqr::CODE,
        code => code,
    }
}

/// How the driver chose to pay for a time, by the code of the button that was pressed: now, or when
/// leaving.
///
/// # Errors
/// As [`chosen`].
pub(super) async fn chosen_for_time<'a>(
    app: &App,
    headers: &HeaderMap,
    code: &'a str,
) -> Result<Means<'a>, ApiError> {
    let hold = code == METERED;
    let code = if hold { wallet::CODE } else { code };
    let means = chosen(app, headers, code).await?;
    Ok(Means { hold, ..means })
}

/// How the driver chose to pay, by the code of the button that was pressed. Only a time can be paid
/// for when it has ended.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wallet where nobody is signed in any more.
pub(super) async fn chosen<'a>(
    app: &App,
    headers: &HeaderMap,
    code: &'a str,
) -> Result<Means<'a>, ApiError> {
    match code {
        wallet::CODE => {
            let driver = driver::signed_in(app, headers, App::now()).await?;
            let wallet = driver.ok_or(ApiError::Unauthorized)?.wallet;
            Ok(Means {
                gateway: wallet::CODE,
                wallet: Some(wallet),
                hold: false,
            })
        }
        code => Ok(Means::gateway(pressed(code))),
    }
}
