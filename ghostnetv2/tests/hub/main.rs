//! Tests of the hub client against a server on the loopback interface that plays the hub, well
//! behaved or not. No test leaves the machine.
#![cfg(feature = "hub")]

mod child;
mod config;
mod download;
mod fixture;
mod hostile;
mod integrity;
mod models;
mod offline;
mod processes;
mod redirects;
mod refusals;
mod resume;
mod server;
mod storage;
