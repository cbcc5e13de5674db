//! The whole stack from outside, one file a subject: real processes, brokers, databases and browsers.
//!
//! One program, so that what all of them need is linked once.

#![allow(clippy::unwrap_used)]

mod access;
mod accessibility;
mod alerts;
mod api;
mod backup;
mod broker_rights;
mod browser;
mod city;
mod cluster;
mod collection;
mod configuration;
mod country;
mod devices;
mod doubt;
mod drain;
mod driver;
mod entitlement;
mod exemption_request;
mod faults;
mod finder;
mod gateways;
mod health;
mod ingest;
mod ingest_loss;
mod ingest_process;
mod journeys;
mod ledger;
mod limits;
mod live_many;
mod live_restart;
mod logs;
mod lorawan;
mod migrations;
mod occupancy;
mod oidc;
mod oidc_hostile;
mod open_data;
mod order;
mod parking_notice;
mod pay;
mod pay_chaos;
mod people;
mod plate_reader;
mod proxy;
mod public_log;
mod public_log_witness;
mod push;
mod push_page;
mod reconcile;
mod replica;
mod retention;
mod session;
mod share;
mod shift;
mod signing;
mod subscription;
mod tariff;
mod two_processes;
mod upgrade;
mod vectors;
mod verify_page;
mod wallet;
