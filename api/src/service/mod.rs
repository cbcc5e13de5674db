//! The work, in terms of the domain: pages and REST handlers call the same functions.

pub mod change;
pub mod collection;
pub mod demand;
pub mod device;
pub mod dispute;
pub mod exemption;
pub mod forecast;
pub mod invoice;
pub mod occupancy;
pub mod offer;
pub mod outbox;
pub mod parking_notice;
pub mod pass;
pub mod payment;
pub mod people;
pub mod plate;
pub mod report;
pub mod session;
pub mod session_cookie;
pub mod settlement;
pub mod shift;
pub mod shift_plan;
pub mod staff;
pub mod wallet;
