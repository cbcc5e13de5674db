//! Asking for an exemption, with the picture of a document: what drivers do.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::attempt::Rate;
use domain::exemption::{DOCUMENT_KIND_MAX, DOCUMENT_NUMBER_MAX, Flaw, scan_kind, words};
use domain::id::ExemptionRequestId;
use domain::identity::Identity;
use domain::place::VehicleClass;
use domain::plate::Plate;
use store::StoreError;
use store::exemption_decision::TakenBack;
use store::exemption_request::{ExemptionRequest, NewExemptionRequest, Requested, WaitingMax};
use store::exemption_scan::Scan;
use store::idempotency::Intent;
use uuid::Uuid;

use crate::client::Client;
use crate::secret::sha256;
use crate::{ApiError, App, throttle};

/// How many requests may wait: of one plate, so that a mistake can be put right without taking the first
/// one back; in all, so that 4 MiB each fill no disk.
const WAITING_MAX: WaitingMax = WaitingMax {
    of_plate: 3,
    in_all: 500,
};

/// How many requests one address may send: twenty at once, and twenty a day. More than a household has documents, and
/// too few for somebody who fills the city's list.
const OF_ADDRESS: Rate = Rate {
    every: TimeDelta::minutes(24 * 60 / 20),
    at_once: 20,
};

/// What a driver sends. `Debug` shows neither plate nor document.
#[derive(Clone)]
pub struct Asking {
    /// The code of a ground.
    pub ground: String,
    /// The plate as it was typed.
    pub plate: String,
    /// The vehicle.
    pub class: VehicleClass,
    /// What kind of document proves it.
    pub document_kind: String,
    /// The document's number.
    pub document_number: String,
    /// The pictures or PDFs of it: one is right.
    pub scans: Vec<Vec<u8>>,
    /// Who they are, where they want that to stand with it.
    pub identity: Option<Identity>,
    /// The client's idempotency key.
    pub key: String,
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

impl Asking {
    /// The request, where nothing is wrong with it, else all that is.
    fn checked(mut self, known: &[String]) -> Result<NewExemptionRequest, Vec<Flaw>> {
        let intent = self.intent();
        let mut flaws = Vec::new();
        let mut flaw = |flaw| flaws.push(flaw);
        if !known.contains(&self.ground) {
            flaw(Flaw::Ground);
        }
        let plate = Plate::parse(&self.plate).map_err(|_| flaw(Flaw::Plate));
        let kind = words(&self.document_kind, DOCUMENT_KIND_MAX);
        if kind.is_none() {
            flaw(Flaw::DocumentKind);
        }
        let number = words(&self.document_number, DOCUMENT_NUMBER_MAX);
        if number.is_none() {
            flaw(Flaw::DocumentNumber);
        }
        let content = self.scans.pop().unwrap_or_default();
        let scan = if self.scans.is_empty() {
            scan_kind(&content)
        } else {
            Err(Flaw::TwoScans)
        };
        let scan = scan.map_err(&mut flaw);
        match (plate, kind, number, scan) {
            (Ok(plate), Some(document_kind), Some(document_number), Ok(kind))
                if flaws.is_empty() =>
            {
                Ok(NewExemptionRequest {
                    id: ExemptionRequestId(Uuid::new_v4()),
                    plate,
                    class: self.class,
                    ground: self.ground,
                    document_kind,
                    document_number,
                    scan: Scan { kind, content },
                    identity: self.identity,
                    intent,
                })
            }
            _ => Err(flaws),
        }
    }

    fn intent(&self) -> Intent {
        let Self {
            ground,
            plate,
            class,
            document_kind,
            document_number,
            scans,
            identity,
            key,
        } = self;
        let text =
            format!("{ground}\n{plate}\n{class}\n{document_kind}\n{document_number}").into_bytes();
        let scans = scans.iter().flat_map(|scan| sha256(scan));
        let who = identity
            .iter()
            .flat_map(|who| sha256(format!("{}\n{}", who.issuer, who.subject).as_bytes()));
        let whole: Vec<u8> = sha256(&text).into_iter().chain(scans).chain(who).collect();
        Intent::new(key.clone(), sha256(&whole))
    }
}

/// Why a request was not taken.
#[derive(Debug)]
pub enum NotAsked {
    /// What is wrong with it.
    Flawed(Vec<Flaw>),
    /// As many requests for this plate wait as may.
    TooManyOfPlate,
    /// As many wait in all as may.
    TooMany,
    /// Anything else.
    Failed(ApiError),
}

impl From<StoreError> for NotAsked {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NotAsked> for ApiError {
    fn from(why: NotAsked) -> Self {
        match why {
            NotAsked::Flawed(flaws) => {
                let words: Vec<String> = flaws.iter().map(Flaw::to_string).collect();
                Self::Unprocessable(words.join("; "))
            }
            NotAsked::TooManyOfPlate => {
                Self::Conflict("three requests for this plate wait already; withdraw one first")
            }
            NotAsked::TooMany => Self::Conflict(
                "as many requests wait for the city as it can take; ask again in a few days",
            ),
            NotAsked::Failed(error) => error,
        }
    }
}

/// A request with its key.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub request: ExemptionRequest,
    /// The only key to it.
    pub token: String,
}

/// Takes a request, once per key.
///
/// # Errors
/// [`NotAsked`]; then nothing of it is kept.
pub async fn ask(
    app: &App,
    asking: Asking,
    client: Client,
    now: Timestamp,
) -> Result<Asked, NotAsked> {
    let known = app.store.exemption_grounds(None).await?;
    let known: Vec<String> = known.into_iter().map(|ground| ground.code).collect();
    let new = asking.checked(&known).map_err(NotAsked::Flawed)?;
    throttle::of_address(app, "requests for exemptions", client, OF_ADDRESS, now)
        .await
        .map_err(NotAsked::Failed)?;
    let requested = app
        .store
        .exemption_request_open(&new, WAITING_MAX, now)
        .await?;
    let id = match requested {
        Requested::Request(id) => id,
        Requested::TooManyOfPlate => return Err(NotAsked::TooManyOfPlate),
        Requested::TooMany => return Err(NotAsked::TooMany),
        Requested::KeyMismatch => return Err(NotAsked::Failed(ApiError::KeyReused)),
    };
    Ok(Asked {
        request: app.store.exemption_request(id).await?,
        token: app.secrets.exemption_request_token(id),
    })
}

/// The request of that identity, for whoever holds its token.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token, whether or not there is such a request.
pub async fn find(
    app: &App,
    id: ExemptionRequestId,
    token: &str,
) -> Result<ExemptionRequest, ApiError> {
    if !app.secrets.exemption_request_token_matches(id, token) {
        return Err(ApiError::Unauthorized);
    }
    Ok(app.store.exemption_request(id).await?)
}

/// Takes a request back for whoever holds its token; its picture is deleted at once.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token; [`ApiError::Conflict`] where it was decided before.
pub async fn withdraw(
    app: &App,
    id: ExemptionRequestId,
    token: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    if !app.secrets.exemption_request_token_matches(id, token) {
        return Err(ApiError::Unauthorized);
    }
    match app.store.exemption_request_withdraw(id, now).await? {
        TakenBack::Done => Ok(()),
        TakenBack::DecidedBefore => Err(ApiError::Conflict("this request was decided before")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asking() -> Asking {
        Asking {
            ground: "disabled".to_owned(),
            plate: "30A-123.45".to_owned(),
            class: VehicleClass::Car,
            document_kind: " Giấy xác nhận khuyết tật ".to_owned(),
            document_number: "0123".to_owned(),
            scans: vec![b"%PDF-1.7".to_vec()],
            identity: None,
            key: "a-key-of-tests".to_owned(),
        }
    }

    fn flaws(asking: Asking) -> Vec<Flaw> {
        asking.checked(&["disabled".to_owned()]).err().unwrap()
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let known = ["disabled".to_owned()];
        let right = asking().checked(&known).unwrap();
        assert_eq!(right.document_kind, "Giấy xác nhận khuyết tật");
        let empty = Asking {
            ground: String::new(),
            plate: "?".to_owned(),
            document_kind: " ".to_owned(),
            document_number: "1".repeat(DOCUMENT_NUMBER_MAX + 1),
            scans: Vec::new(),
            ..asking()
        };
        assert_eq!(
            flaws(empty),
            [
                Flaw::Ground,
                Flaw::Plate,
                Flaw::DocumentKind,
                Flaw::DocumentNumber,
                Flaw::NoScan
            ]
        );
        let two = Asking {
            scans: vec![b"%PDF-1.7".to_vec(), b"%PDF-1.7".to_vec()],
            ..asking()
        };
        assert_eq!(flaws(two), [Flaw::TwoScans]);
    }

    #[test]
    fn a_key_belongs_to_all_that_was_sent_with_it() {
        let print = |asking: Asking| asking.intent();
        let other_scan = Asking {
            scans: vec![b"%PDF-1.6".to_vec()],
            ..asking()
        };
        let other_number = Asking {
            document_number: "0124".to_owned(),
            ..asking()
        };
        let identity = Identity {
            issuer: "https://id.example".to_owned(),
            subject: "1".to_owned(),
            name: "A".to_owned(),
        };
        let under_a_name = Asking {
            identity: Some(identity),
            ..asking()
        };
        assert_eq!(print(asking()), print(asking()));
        assert_ne!(print(asking()), print(under_a_name));
        assert_ne!(print(asking()), print(other_scan));
        assert_ne!(print(asking()), print(other_number));
    }

    #[test]
    fn what_a_driver_sends_does_not_print() {
        assert_eq!(format!("{:?}", asking()), "Asking { .. }");
    }
}
