//! What the fuzz targets do with their bytes, and what must hold whatever these are. A module for each kind of
//! thing that comes from outside.

pub mod log;
pub mod place;
pub mod sensor;
pub mod served;
pub mod statement;
pub mod tariff;
pub mod webhook;
