#![no_main]

use ingest::decoder::bosch::PROFILES;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::decoder(PROFILES, data));
