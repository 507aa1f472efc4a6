//! Which classes a picture shows, as results.

use cli::output::{Record, quoted};
use heads::segmentation::LabelMap;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A class in a picture.
#[derive(Clone, Debug, Serialize)]
struct Area {
    class_id: usize,
    label: String,
    pixels: u64,
    /// Of all pixels, 0 to 1.
    share: f64,
}

/// All classes in a picture, the largest first.
#[derive(Clone, Debug)]
pub(crate) struct Areas {
    /// Height and width of the picture.
    size: (usize, usize),
    areas: Vec<Area>,
}

impl Areas {
    pub(crate) fn new(map: &LabelMap, names: &[String]) -> Self {
        let (height, width) = map.size();
        let all = (height * width).max(1) as f64;
        let area = |(class_id, pixels): (usize, u64)| Area {
            class_id,
            label: names.get(class_id).cloned().unwrap_or_else(|| format!("class {class_id}")),
            pixels,
            share: pixels as f64 / all,
        };
        // 255 is no class.
        let counts = map.counts(255).into_iter().enumerate().filter(|&(_, pixels)| pixels > 0);
        let mut areas: Vec<_> = counts.map(area).collect();
        areas.sort_by_key(|area| std::cmp::Reverse(area.pixels));
        Self { size: (height, width), areas }
    }

    /// Numbers and words, the largest area first.
    pub(crate) fn legend(&self) -> Vec<(usize, String)> {
        let entry =
            |area: &Area| (area.class_id, format!("{} {:.1}%", area.label, 100.0 * area.share));
        self.areas.iter().map(entry).collect()
    }
}

impl Record for Areas {
    const COLUMNS: &'static str = "rank,class_id,label,pixels,share";

    fn text(&self) -> String {
        let line = |area: &Area| format!("{:24}: {:.2}%\n", area.label, 100.0 * area.share);
        self.areas.iter().map(line).collect()
    }

    fn rows(&self) -> Vec<String> {
        let row = |(rank, area): (usize, &Area)| {
            let Area { class_id, label, pixels, share } = area;
            format!("{rank},{class_id},{},{pixels},{share:.6}", quoted(label))
        };
        (1..).zip(&self.areas).map(row).collect()
    }

    fn fields(&self) -> Map<String, Value> {
        let fields = [
            ("height", json!(self.size.0)),
            ("width", json!(self.size.1)),
            ("classes", json!(self.areas)),
        ];
        fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
    }
}
