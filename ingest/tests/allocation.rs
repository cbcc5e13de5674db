//! What a message makes ingest allocate is bounded by its size, so that none exhausts the memory.

#![allow(clippy::unwrap_used)]
// An allocator that counts cannot be written otherwise; it hands everything on to the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use domain::device::Mounting;
use domain::signing::{PublicKey, Signing};
use ingest::decoder::profiles;
use ingest::envelope::unwrap;
use ingest::signature::{DeviceKeys, verify};
use serde_json::Value;

use crate::common::{bytes_of, files};

mod common;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator; counts the bytes that this thread asks for and never takes off any.
struct Counting;

fn add(bytes: usize) {
    // Gone while a thread ends; then nobody counts any more.
    let _ = ALLOCATED.try_with(|total| total.set(total.get() + bytes));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        // SAFETY: the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All that is allocated for a message of so many bytes, even for a moment, is at most this.
const PER_BYTE: usize = 48;
const BESIDES: usize = 8 * 1_024;

fn bounded<T>(what: &str, size: usize, work: impl FnOnce() -> T) {
    let before = ALLOCATED.get();
    let done = work();
    let allocated = ALLOCATED.get() - before;
    drop(done);
    assert!(
        allocated <= PER_BYTE * size + BESIDES,
        "{what}: {allocated} bytes for a message of {size}"
    );
}

/// A JSON document's inside, as large as messages may be.
fn large(open: &str, middle: &str, close: &str) -> Vec<u8> {
    let room = 65_536 - open.len() - close.len();
    format!("{open}{}{close}", middle.repeat(room / middle.len())).into_bytes()
}

#[test]
fn every_envelope_allocates_in_proportion_to_the_message() {
    let own = r#"{"device":"d000123","at":"2026-11-22T00:00:00Z","seq":1,"occupied":true,"x":"#;
    let tts = r#"{"end_device_ids":{"device_id":"sensor-1"},"uplink_message":{"f_port":1,"rx_metadata":["#;
    let chirpstack = r#"{"deviceInfo":{"devEui":"a81758fffe000001"},"fPort":1,"rxInfo":["#;
    let payload = r#"{"deviceInfo":{"devEui":"a81758fffe000001"},"fPort":1,"data":""#;
    let topics = files().into_iter().filter_map(|(name, vectors)| {
        let topic = vectors[0]["topic"].as_str()?.to_owned();
        let known: Vec<Vec<u8>> = vectors
            .iter()
            .map(|vector| vector["payload"].as_str().unwrap().into())
            .collect();
        Some((name, topic, known))
    });
    let hostile = [
        large(own, "[", ""),
        large(own, "[],", "1}"),
        large(&format!("{own}\""), "a", "\"}"),
        large(&format!("{own}\""), "\\u00e9", "\"}"),
        large("{\"device\":\"", "\\n", "\"}"),
        large(own, " ", "1}"),
        large("", "{\"a\":", ""),
        large("\n", "hs256:\n", ""),
        large(tts, "{},", "{}]}}"),
        large(tts, r#"{"time":"2026-11-22T00:00:00Z"},"#, "{}]}}"),
        large(chirpstack, "{},", "{}]}"),
        large(chirpstack, r#"{"gwTime":null,"nsTime":null},"#, "{}]}"),
        large(payload, "AAAA", "\"}"),
        large(payload, "\\u0041", "\"}"),
        large(payload, "=", "\"}"),
        vec![0xff; 65_536],
        vec![b'"'; 65_536],
        vec![b'9'; 65_536],
    ];
    let mut given = 0;
    for (name, topic, known) in topics {
        for message in known.iter().chain(&hostile) {
            bounded(&name, message.len(), || unwrap(&topic, message));
            given += 1;
        }
    }
    assert!(given > 100, "{given}");
}

#[test]
fn every_decoder_allocates_in_proportion_to_the_payload() {
    let vectors: Vec<Value> = files().into_iter().flat_map(|(_, all)| all).collect();
    let mut payloads: Vec<Vec<u8>> = vectors
        .iter()
        .filter(|vector| vector["model"].is_string())
        .map(bytes_of)
        .collect();
    let row = |channel: &str| hex::decode(channel).unwrap().repeat(6_000);
    payloads.extend(["01755C", "04824408", "0688FFFFFFFFFFFFFFFF20", "FF0BFF"].map(row));
    payloads.push(vec![1; 65_536]);
    let mounting = Mounting {
        occupied_below_mm: Some(1_500),
    };
    for profile in profiles() {
        for payload in &payloads {
            for f_port in 0..=u8::MAX {
                bounded(profile.model, payload.len(), || {
                    (profile.decode)(&mounting, f_port, payload)
                });
            }
        }
    }
}

#[test]
fn checking_a_signature_allocates_in_proportion_to_the_message() {
    let keys = DeviceKeys::derived_from("a master key that is long enough for tests").unwrap();
    let topic = "clearbay/v1/devices/d000123/up";
    let vectors: Vec<Value> = files().into_iter().flat_map(|(_, all)| all).collect();
    let mut messages: Vec<Vec<u8>> = vectors
        .iter()
        .filter_map(|vector| Some(vector["payload"].as_str()?.into()))
        .collect();
    messages.push(large("", " ", "\nhs256:"));
    messages.push(large("\nhs256:", "0", ""));
    let hmac = Signing::Hmac;
    let pair = Signing::Ed25519(PublicKey([7; 32]));
    for message in &messages {
        for signing in [&hmac, &pair] {
            bounded("signature", message.len(), || {
                verify(signing, &keys, topic, message)
            });
        }
    }
}
