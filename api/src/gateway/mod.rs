//! Payment gateways: how each is asked for money and how its word is checked.

pub mod vietqr;
