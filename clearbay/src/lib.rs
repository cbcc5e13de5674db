//! The parts of the Clearbay program that its tests use as well.

pub mod broker;
pub mod secret_files;
pub mod secrets;
