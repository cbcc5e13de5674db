//! clearbay
fn main() {}
