//! Drivers' money with us: filled through a gateway, spent on parking.

use domain::Timestamp;
use domain::id::{PurchaseId, WalletId};
use domain::money::Vnd;
use store::idempotency::{Claim, Intent};
use store::payment::Payment;
use store::wallet::{Wallet, WalletEntry};
use uuid::Uuid;

use super::driver;
use super::payment::{Due, Means, TOP_UP_WINDOW, request};
use crate::gateway::wallet;
use crate::secret::sha256;
use crate::{ApiError, App};

/// The least and the most that can be put into a wallet at once, in đồng.
pub const TOP_UP_VND: std::ops::RangeInclusive<i64> = 10_000..=5_000_000;

/// As many characters as a UUID has without its hyphens.
const KEY_LENGTH_MIN: usize = 32;

/// A wallet with its key.
#[derive(Clone, Debug)]
pub struct OpenedWallet {
    /// Its identity.
    pub id: WalletId,
    /// The only key to it.
    pub token: String,
}

/// Opens an empty wallet, once per key.
///
/// # Errors
/// [`ApiError::BadRequest`] for a key that could be guessed; [`ApiError::KeyReused`] for a key of another
/// request.
pub async fn open(app: &App, key: String, now: Timestamp) -> Result<OpenedWallet, ApiError> {
    // All such requests are alike: who repeats the key is given the wallet.
    if key.len() < KEY_LENGTH_MIN {
        return Err(ApiError::BadRequest(format!(
            "a wallet's Idempotency-Key has {KEY_LENGTH_MIN} characters at least, for example a UUID"
        )));
    }
    let intent = Intent::new(key, sha256(b"wallet"));
    let id = WalletId(Uuid::new_v4());
    let id = match app.store.wallet_open(id, &intent, now).await? {
        Claim::New => id,
        Claim::Done(id) => WalletId(id),
        Claim::Mismatch => return Err(ApiError::KeyReused),
    };
    Ok(OpenedWallet {
        id,
        token: app.secrets.wallet_token(id),
    })
}

/// The wallet of that identity, for whoever holds its token or has signed in as its driver.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token, whether or not the wallet exists.
pub async fn find(app: &App, id: WalletId, token: &str) -> Result<Wallet, ApiError> {
    if !is_key(app, id, token, App::now()).await? {
        return Err(ApiError::Unauthorized);
    }
    Ok(app.store.wallet(id).await?)
}

/// Whether a token opens a wallet: its own, which is good for ever and which drivers' wallets have
/// never given out, or that of its driver, who has signed in.
pub(super) async fn is_key(
    app: &App,
    id: WalletId,
    token: &str,
    now: Timestamp,
) -> Result<bool, ApiError> {
    if app.secrets.wallet_token_matches(id, token) {
        return Ok(true);
    }
    match driver::find(app, token, now).await {
        Ok(driver) => Ok(driver.wallet.id == id),
        Err(ApiError::Unauthorized) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many movements of a wallet's money are listed.
pub const ENTRIES_MAX: i64 = 200;

/// The latest movements of a wallet's money, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn entries(app: &App, wallet: &Wallet) -> Result<Vec<WalletEntry>, ApiError> {
    let entries = app.store.wallet_entries(wallet.account, ENTRIES_MAX);
    Ok(entries.await?)
}

/// Asks for money to be put into a wallet, once per key.
///
/// # Errors
/// [`ApiError::Unprocessable`] for an amount outside [`TOP_UP_VND`] or a gateway that cannot fill it.
pub async fn top_up(
    app: &App,
    wallet: &Wallet,
    amount_vnd: Vnd,
    gateway: &str,
    key: String,
    now: Timestamp,
) -> Result<Payment, ApiError> {
    if !TOP_UP_VND.contains(&amount_vnd.get()) {
        return Err(ApiError::Unprocessable(format!(
            "a top-up is from {} to {}",
            Vnd::new(*TOP_UP_VND.start()),
            Vnd::new(*TOP_UP_VND.end())
        )));
    }
    if gateway == wallet::CODE {
        return Err(ApiError::Unprocessable(
            "a wallet cannot be filled out of a wallet".to_owned(),
        ));
    }
    let fingerprint = sha256(format!("{}\n{amount_vnd}\n{gateway}", wallet.id).as_bytes());
    let intent = Intent::new(key.clone(), fingerprint);
    let purchase = PurchaseId(Uuid::now_v7());
    let claimed = app
        .store
        .wallet_top_up(purchase, wallet.account, amount_vnd, &intent, now)
        .await?;
    let purchase = match claimed {
        Claim::New => purchase,
        Claim::Done(id) => PurchaseId(id),
        Claim::Mismatch => return Err(ApiError::KeyReused),
    };
    let collector = app.store.wallet_collector().await?;
    let due = Due {
        purchase,
        amount_vnd,
        expires_at: now + TOP_UP_WINDOW,
        bank: (collector.bank_bin, collector.bank_account),
    };
    request(app, &due, Means::gateway(gateway), key, now).await
}
