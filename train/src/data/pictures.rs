//! The pictures of a data set.

use super::kept::{Kept, Room};
use ghostnetv2::picture::{self, DecodeOptions, PictureError, Rgb8};
use rayon::prelude::*;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Files of pictures, decoded when they are asked for.
#[derive(Debug)]
pub struct Pictures {
    paths: Vec<PathBuf>,
    options: DecodeOptions,
    kept: Kept<Rgb8>,
}

impl Pictures {
    /// Pictures in an order.
    pub fn new(paths: Vec<PathBuf>, options: DecodeOptions, room: Room) -> Self {
        let kept = Kept::new(paths.len(), room);
        Self { paths, options, kept }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The file of picture `i`.
    pub fn path(&self, i: usize) -> &Path {
        &self.paths[i]
    }

    /// Picture `i`.
    ///
    /// # Errors
    /// A file that can't be read or decoded.
    pub fn get(&self, i: usize) -> Result<Cow<'_, Rgb8>, PictureError> {
        let bytes = |picture: &Rgb8| picture.pixels().len() as u64;
        self.kept.get(i, bytes, || picture::open(&self.paths[i], &self.options))
    }

    /// Decodes all of them on all threads, and gives everything that is wrong with them or that
    /// `problem` says, in their order; `done` is called after each.
    pub fn problems(
        &self,
        problem: impl Fn(usize, &Rgb8) -> Option<String> + Sync,
        done: &(dyn Fn() + Sync),
    ) -> Vec<String> {
        let check = |i: usize| {
            let found = match self.get(i) {
                Ok(picture) => problem(i, &picture),
                Err(error) => Some(error.to_string()),
            };
            done();
            found
        };
        let found: Vec<_> = (0..self.len()).into_par_iter().map(check).collect();
        found.into_iter().flatten().collect()
    }
}
