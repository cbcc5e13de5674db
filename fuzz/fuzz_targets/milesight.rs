#![no_main]

use ingest::decoder::milesight::PROFILES;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::sensor::decoder(PROFILES, data));
