//! Preprocessing against Pillow's resize and timm's evaluation transform, to the byte. The
//! fixtures come from `scripts/make_picture_fixtures.py`.
#![cfg(feature = "image")]

mod config;
mod parity;
mod parts;
mod synthetic;
