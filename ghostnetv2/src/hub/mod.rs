//! Files from the Hugging Face hub, in the cache that Python's `huggingface_hub` uses too.
//!
//! [`Hub::get`] turns a repository and a file name into a path. It downloads what the cache lacks,
//! goes on with what an interrupted download has left, retries what fails for a passing reason,
//! verifies size and checksum, and gives a file its final name only when all of it is right. It
//! follows the environment variables of `huggingface_hub` (see [`HubConfig::from_lookup`]).
//!
//! # Why hf-hub 0.5, and which part of it
//! The crate hf-hub defines the layout of the cache here, by [`hf_hub::Cache`] and
//! [`hf_hub::Repo`]. Its version 0.5.0 with the feature `ureq` brings 54 crates, version 1.0.0 with
//! `blocking` 224, among them an asynchronous run-time and a cryptography library in C: the
//! distinct lines of `cargo tree -e normal --prefix none` on x86-64 Linux. And version 1.0.0
//! renames the body of a GET into the cache without a look at its status, so that an error page
//! can take the place of a model.
//!
//! The transfer is this module's own, over the same `ureq` that hf-hub 0.5 pulls. That version has
//! no time-outs and no errors by kind, appends a whole file to a partial one when a server ignores
//! `Range`, checks no sizes or checksums, and joins file names and ETags to paths as they come.
//!
//! # Limits
//! Root certificates are those of the crate `webpki-roots`; the system's are not read. Proxies are
//! taken from `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY` with `NO_PROXY`, except for an endpoint
//! on this machine. Models only, no data sets or spaces. `Retry-After` is understood in seconds,
//! not as a date.

mod asked;
mod cache;
mod checks;
mod client;
mod config;
mod download;
mod error;
mod http;
mod lock;
mod metadata;
mod names;
mod progress;
mod repo_id;
mod retry;
mod token;
mod url;

pub use asked::{Asked, Missing};
pub use checks::{Fault, Pinned};
pub use client::Hub;
pub use config::{HubConfig, Timeouts};
pub use error::HubError;
pub use progress::{Event, Progress};
pub use repo_id::RepoId;
pub use token::Token;
