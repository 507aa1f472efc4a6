//! COCO's JSON: results for its evaluation, and annotations to draw.

use crate::record::{Found, Object};
use anyhow::{Result, bail};
use cli::coco_results::{FoundBox, FoundBoxes};
use cli::draw::Mark;
use cli::exit::Outcome;
use cli::shard::{Share, share_of};
use cli::{files, part};
use ghostnetv2::picture::Rgb8;
use heads::data::coco::{Annotation, Coco, Image};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What was found, for a file that COCO's evaluation reads.
#[derive(Debug)]
pub(crate) struct Results<'a> {
    file: &'a Path,
    /// The number of each picture of the run, or of the share.
    ids: Vec<u64>,
    found: FoundBoxes,
}

impl<'a> Results<'a> {
    /// Pictures are numbered by the digits at the end of their names, as COCO's are; where some
    /// have none or the same, by their order from 1 on. A share has the numbers of the whole run.
    pub(crate) fn new(file: &'a Path, pictures: &[PathBuf], share: Option<&Share>) -> Self {
        let numbers: Option<Vec<u64>> = pictures.iter().map(|path| number(path)).collect();
        let unique =
            |numbers: &Vec<u64>| numbers.iter().collect::<BTreeSet<_>>().len() == pictures.len();
        let numbers =
            numbers.filter(unique).unwrap_or_else(|| (1..).take(pictures.len()).collect());
        let ids = share_of(share, numbers);
        let found = FoundBoxes(vec![Vec::new(); ids.len()]);
        Self { file, ids, found }
    }

    /// Adds what is in the picture at a place among all, or among those of the share.
    pub(crate) fn add(&mut self, place: usize, found: &Found) {
        let image_id = self.ids[place];
        let found_box = |object: &Object| {
            let Object { category_id, bbox, score, .. } = *object;
            FoundBox { image_id, category_id, bbox, score }
        };
        self.found.0[place].extend(found.objects.iter().map(found_box));
    }

    /// A share is written for `evaluate merge`.
    pub(crate) fn write(self, share: Option<&Share>, outcome: Outcome) -> Result<()> {
        match share {
            Some(share) => part::write(self.file, share, outcome, &self.found),
            None => files::write(self.file, self.found.text().as_bytes()),
        }
    }
}

/// The digits at the end of a name.
fn number(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let start = stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    stem[start..].parse().ok()
}

/// Annotations of pictures that are told apart by their file's names.
#[derive(Debug)]
pub(crate) struct Annotated {
    coco: Coco,
}

impl Annotated {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        Ok(Self { coco: Coco::read(file)? })
    }

    /// What is to be drawn on a picture.
    ///
    /// # Errors
    /// A picture without annotations, or of another size than theirs.
    pub(crate) fn marks(&self, path: &Path, picture: &Rgb8) -> Result<Vec<Mark>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let image = self.coco.images.iter().find(|image| image.file_name == name);
        let Some(image) = image else { bail!("{name} is not in the annotations") };
        if (image.width, image.height) != (picture.width(), picture.height()) {
            let (w, h) = (picture.width(), picture.height());
            let Image { width, height, .. } = image;
            bail!("{name} has {w}x{h} pixels, but {width}x{height} in the annotations");
        }
        let own = self.coco.annotations.iter().filter(|found| found.image_id == image.id);
        Ok(own.map(|found| self.mark(found)).collect())
    }

    fn mark(&self, found: &Annotation) -> Mark {
        let place = self.coco.categories.iter().position(|known| known.id == found.category_id);
        let class = place.unwrap_or_default();
        let name = &self.coco.categories[class].name;
        let text = if found.is_crowd { format!("{name} (crowd)") } else { name.clone() };
        Mark { bbox: found.corners(), text, class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_cocos_names_or_the_order() {
        let ids = |names: &[&str]| -> Vec<u64> {
            let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            Results::new(Path::new("r.json"), &paths, None).ids
        };
        assert_eq!(ids(&["v/000000000139.jpg", "COCO_val2014_000000000042.jpg"]), [139, 42]);
        assert_eq!(ids(&["a1.jpg", "b1.jpg"]), [1, 2]);
        assert_eq!(ids(&["7.jpg", "cat.jpg"]), [1, 2]);
    }
}
