//! What was found in one picture, as results.

use cli::objects::Objects;
use cli::output::{Record, quoted};
use heads::boxes::{BBox, Detections};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An object in a picture.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Object {
    /// Left, top, right, bottom in pixels of the picture.
    pub(crate) bbox: BBox,
    pub(crate) class_id: u32,
    pub(crate) category_id: u64,
    pub(crate) label: String,
    pub(crate) score: f32,
}

/// All objects in a picture, best first.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Height and width of the picture.
    pub(crate) size: (usize, usize),
    pub(crate) objects: Vec<Object>,
}

impl Found {
    pub(crate) fn new(size: (usize, usize), detections: &Detections, objects: &Objects) -> Self {
        let object = |found: &heads::boxes::Detection| Object {
            bbox: found.bbox,
            class_id: found.class_id,
            category_id: objects.category(found.class_id),
            label: objects.name(found.class_id).to_owned(),
            score: found.score,
        };
        Self { size, objects: detections.iter().map(object).collect() }
    }
}

impl Record for Found {
    const COLUMNS: &'static str = "rank,class_id,category_id,label,score,x1,y1,x2,y2";

    fn text(&self) -> String {
        if self.objects.is_empty() {
            return "nothing\n".into();
        }
        let line = |o: &Object| {
            let [x1, y1, x2, y2] = o.bbox;
            let score = 100.0 * o.score;
            format!("{:24}: {score:.2}%  {x1:.1} {y1:.1} {x2:.1} {y2:.1}\n", o.label)
        };
        self.objects.iter().map(line).collect()
    }

    fn rows(&self) -> Vec<String> {
        let row = |(rank, o): (usize, &Object)| {
            let [x1, y1, x2, y2] = o.bbox;
            let (class, category, label) = (o.class_id, o.category_id, quoted(&o.label));
            let score = o.score;
            format!("{rank},{class},{category},{label},{score:.6},{x1:.3},{y1:.3},{x2:.3},{y2:.3}")
        };
        (1..).zip(&self.objects).map(row).collect()
    }

    fn fields(&self) -> Map<String, Value> {
        let fields = [
            ("height", json!(self.size.0)),
            ("width", json!(self.size.1)),
            ("detections", json!(self.objects)),
        ];
        fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
    }
}
