//! receipt.
