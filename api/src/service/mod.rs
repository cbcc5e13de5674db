//! The work, in terms of the domain: pages and REST handlers call the same functions.

pub mod payment;
pub mod report;
pub mod session;
pub mod staff;
