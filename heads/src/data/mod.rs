//! Data sets: which pictures there are, and what is on them.

pub mod imagenet;
