//! Driver, staff and city pages.
