//! Black-box tests over the real broker, database and browser.
