//! The rules of parking as pure functions.
//!
//! Nothing in this crate reads a clock, a file, the environment or the network: `now` is always an
//! argument. The same code therefore runs in the ingest service, behind the payment endpoints, in
//! the browser and in the simulator, and every rule can be tested by calling it.

pub mod advice;
pub mod attempt;
pub mod board;
pub mod collection;
pub mod day;
pub mod device;
pub mod dispute;
pub mod event;
pub mod exemption;
pub mod forecast;
pub mod health;
pub mod id;
pub mod identity;
pub mod invoice;
pub mod ledger;
pub mod licence;
pub mod log;
pub mod map;
pub mod money;
pub mod notice;
pub mod occupancy;
pub mod offer;
pub mod payment;
pub mod phone;
pub mod place;
pub mod plate;
pub mod plate_reading;
pub mod purchase;
pub mod reconcile;
pub mod refund;
pub mod reminder;
pub mod second_factor;
pub mod session;
pub mod shift;
pub mod signing;
pub mod staff;
pub mod stay;
pub mod tariff;
pub mod vat;
pub mod vietqr;

/// An instant in UTC, to the microsecond: the precision PostgreSQL keeps.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
