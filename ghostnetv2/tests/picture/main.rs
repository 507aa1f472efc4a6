//! Pictures in: every format against Pillow's pixels, and everything that can be wrong with a
//! file. The fixtures come from `scripts/make_picture_fixtures.py`.
#![cfg(feature = "image")]

mod damage;
mod fixtures;
mod formats;
mod hostile;
mod not_pictures;
