//! Pictures and masks for a segmentation network to learn from, or to be scored on.

use super::kept::Kept;
use super::{Pictures, Room, hex};
use crate::dense::Labelled;
use ghostnetv2::picture::{DecodeOptions, Rgb8};
use heads::data::DataError;
use heads::data::pixels::{self, Layout, Split};
use heads::segmentation::{LabelMap, UNLABELLED};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder of pictures and one of masks.
#[derive(Debug)]
pub struct SegmentationSet {
    pictures: Pictures,
    masks: Vec<PathBuf>,
    kept: Kept<LabelMap>,
    layout: Layout,
    reduce_zero_label: bool,
    classes: usize,
    digest: String,
}

/// What was seen of a mask.
struct Seen {
    /// One more than the highest label.
    classes: usize,
    digest: [u8; 32],
}

/// How masks are to be read.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// What their values mean.
    pub layout: Layout,
    /// 0 is no class and 1 the first.
    pub reduce_zero_label: bool,
    /// How many classes there may be, where that is known.
    pub classes: Option<usize>,
}

impl SegmentationSet {
    /// Finds a part of a data set and looks at every picture and mask; `done` is called after each
    /// with their number.
    ///
    /// # Errors
    /// Folders that are not there; and, together, everything that is missing, can't be decoded, has
    /// a size other than its picture's, or labels of classes that there are not.
    pub fn open(
        root: &Path,
        split: Split,
        meaning: Meaning,
        options: DecodeOptions,
        room: Room,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, DataError> {
        let Meaning { layout, reduce_zero_label, classes } = meaning;
        let (folder, masks) = pixels::folders(root, split)?;
        let pairs = pixels::pairs(&folder, &masks)?;
        let (paths, masks): (Vec<_>, Vec<_>) =
            pairs.into_iter().map(|pair| (pair.picture, pair.mask)).unzip();
        let kept = Kept::new(masks.len(), room.clone());
        let pictures = Pictures::new(paths, options, room);
        let most = classes.or(layout.classes()).unwrap_or(usize::from(UNLABELLED));
        let (classes_told, digest) = (classes.or(layout.classes()), String::new());
        let mut set =
            Self { pictures, masks, kept, layout, reduce_zero_label, classes: most, digest };
        let total = set.len();
        let seen: Vec<OnceLock<Seen>> = (0..total).map(|_| OnceLock::new()).collect();
        let look = |i: usize, picture: &Rgb8| match set.look(i, picture) {
            Ok(found) => {
                seen[i].get_or_init(|| found);
                None
            }
            Err(problem) => Some(problem),
        };
        let problems = set.pictures.problems(look, &|| done(total));
        if !problems.is_empty() {
            return Err(DataError::Invalid { path: root.into(), problems });
        }
        let mut digest = Sha256::new();
        let mut highest = 0;
        for (seen, i) in seen.iter().zip(0..) {
            if let Some(Seen { classes, digest: own }) = seen.get() {
                highest = highest.max(*classes);
                digest.update(
                    set.pictures.path(i).file_name().unwrap_or_default().as_encoded_bytes(),
                );
                digest.update(own);
            }
        }
        set.digest = hex(&digest.finalize());
        if classes_told.is_none() {
            set.classes = highest;
        }
        Ok(set)
    }

    /// What mask `i` shows, or what is wrong with it.
    fn look(&self, i: usize, picture: &Rgb8) -> Result<Seen, String> {
        let labels = self.labels(i).map_err(|error| error.to_string())?;
        let path = self.masks[i].display();
        let (height, width) = labels.size();
        let own = (picture.width() as usize, picture.height() as usize);
        if (width, height) != own {
            return Err(format!(
                "{path}: {width}x{height} pixels: expected {}x{}, as its picture",
                own.0, own.1
            ));
        }
        let counts = labels.counts(usize::from(UNLABELLED));
        let found = counts.iter().rposition(|&count| count > 0).map_or(0, |label| label + 1);
        if found > self.classes {
            return Err(format!(
                "{path}: label {}: expected one below {}, or {UNLABELLED} for none",
                found - 1,
                self.classes
            ));
        }
        Ok(Seen { classes: found, digest: Sha256::digest(labels.labels()).into() })
    }

    /// Of the pictures' names and of all masks: what makes two data sets the same.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// How many classes there are: as was said, else one more than the highest label.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The pictures, by name.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// The classes of the pixels of picture `i`.
    ///
    /// # Errors
    /// A file that can't be read any more.
    pub fn labels(&self, i: usize) -> Result<Cow<'_, LabelMap>, DataError> {
        let bytes = |map: &LabelMap| map.labels().len() as u64;
        self.kept.get(i, bytes, || self.layout.read(&self.masks[i], self.reduce_zero_label))
    }

    /// Picture `i` with the classes of its pixels.
    ///
    /// # Errors
    /// Files that can't be read any more.
    pub fn labelled(&self, i: usize) -> candle::Result<Labelled> {
        let picture = self.pictures.get(i).map_err(candle::Error::wrap)?.into_owned();
        Ok(Labelled { picture, labels: self.labels(i).map_err(candle::Error::wrap)?.into_owned() })
    }
}
