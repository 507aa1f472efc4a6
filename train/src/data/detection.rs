//! Pictures and boxes for a detector to learn from, or to be scored on.

use super::{Pictures, Room, hex};
use crate::dense::Scene;
use ghostnetv2::picture::DecodeOptions;
use heads::data::DataError;
use heads::data::coco::{Annotation, Category, Coco, Image};
use heads::retinanet::GroundTruth;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of pictures with annotations in COCO's form.
#[derive(Debug)]
pub struct DetectionSet {
    annotations: PathBuf,
    truth: Coco,
    pictures: Pictures,
    objects: Vec<Vec<GroundTruth>>,
    /// The category of each class.
    classes: Vec<u64>,
    digest: String,
}

impl DetectionSet {
    /// Reads annotations and looks at every picture of them; `done` is called after each.
    ///
    /// # Errors
    /// Annotations that can't be used; and, together, all pictures that are missing, can't be
    /// decoded, or have another size than the annotations say.
    pub fn open(
        annotations: &Path,
        folder: &Path,
        options: DecodeOptions,
        room: Room,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, DataError> {
        let json = fs::read(annotations)
            .map_err(|source| DataError::Io { path: annotations.into(), source })?;
        let truth = Coco::parse(annotations, &json)?;
        let paths = truth.images.iter().map(|image| folder.join(&image.file_name)).collect();
        let pictures = Pictures::new(paths, options, room);
        let total = pictures.len();
        let mut problems = pictures.problems(
            |i, picture| {
                let Image { width, height, .. } = truth.images[i];
                let found = (picture.width(), picture.height());
                (found != (width, height)).then(|| {
                    format!(
                        "{}: {}x{} pixels: expected {width}x{height}, as the annotations say; \
                         with another --exif it may fit",
                        pictures.path(i).display(),
                        found.0,
                        found.1
                    )
                })
            },
            &|| done(total),
        );
        let mut classes: Vec<_> = truth.categories.iter().map(|category| category.id).collect();
        classes.sort_unstable();
        if truth.images.is_empty() || classes.is_empty() {
            problems.push("no pictures or no categories".into());
        }
        if !problems.is_empty() {
            return Err(DataError::Invalid { path: annotations.into(), problems });
        }
        let objects = objects(&truth, &classes);
        let digest = hex(&Sha256::digest(&json));
        Ok(Self { annotations: annotations.into(), truth, pictures, objects, classes, digest })
    }

    /// The same with other classes: the category of each. At first they are the categories of the
    /// annotations in the order of their numbers.
    ///
    /// # Errors
    /// Categories of the annotations that are not among them.
    pub fn with_classes(self, classes: &[u64]) -> Result<Self, DataError> {
        let missing = self.truth.categories.iter().filter(|known| !classes.contains(&known.id));
        let problem = |known: &Category| {
            format!("category {} ({}): there is no class for it", known.id, known.name)
        };
        let problems: Vec<_> = missing.map(problem).collect();
        if !problems.is_empty() {
            return Err(DataError::Invalid { path: self.annotations, problems });
        }
        let objects = objects(&self.truth, classes);
        Ok(Self { objects, classes: classes.to_vec(), ..self })
    }

    /// Of the annotations' file: what makes two data sets the same.
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

    /// The annotations.
    pub fn truth(&self) -> &Coco {
        &self.truth
    }

    /// The pictures, in the order of the annotations.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// The category of each class.
    pub fn classes(&self) -> &[u64] {
        &self.classes
    }

    /// Picture `i` and what is to be found in it: neither crowds nor boxes without area.
    ///
    /// # Errors
    /// A file that can't be read any more.
    pub fn scene(&self, i: usize) -> candle::Result<Scene> {
        let picture = self.pictures.get(i).map_err(candle::Error::wrap)?.into_owned();
        Ok(Scene { picture, objects: self.objects[i].clone() })
    }
}

/// What is to be found in each picture; boxes end where the picture does.
fn objects(truth: &Coco, classes: &[u64]) -> Vec<Vec<GroundTruth>> {
    let classes: BTreeMap<u64, u32> = classes.iter().copied().zip(0..).collect();
    let by_image = truth.by_image();
    let object = |image: &Image, found: &Annotation| {
        let (width, height) = (image.width as f32, image.height as f32);
        let [x1, y1, x2, y2] = found.corners();
        let [x1, x2] = [x1, x2].map(|x| x.clamp(0.0, width));
        let [y1, y2] = [y1, y2].map(|y| y.clamp(0.0, height));
        let class_id = *classes.get(&found.category_id)?;
        let kept = !found.is_crowd && x2 > x1 && y2 > y1;
        kept.then_some(GroundTruth { bbox: [x1, y1, x2, y2], class_id })
    };
    let of_image = |image: &Image| {
        let found = by_image.get(&image.id).into_iter().flatten();
        found.filter_map(|found| object(image, found)).collect()
    };
    truth.images.iter().map(of_image).collect()
}
