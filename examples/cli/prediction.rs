//! Classes that a picture may show, as results.

use crate::output::{Record, quoted};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A class that a picture may show.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// Its index.
    pub index: usize,
    /// Its name.
    pub label: String,
    /// Its share of the softmax, 0 to 1.
    pub probability: f32,
}

/// The classes of a picture, best first.
#[derive(Clone, Debug)]
pub struct Predictions(pub Vec<Prediction>);

impl Record for Predictions {
    const COLUMNS: &'static str = "rank,index,label,probability";

    fn text(&self) -> String {
        self.0.iter().map(|p| format!("{:24}: {:.2}%\n", p.label, 100.0 * p.probability)).collect()
    }

    fn rows(&self) -> Vec<String> {
        let row = |(rank, p): (usize, &Prediction)| {
            format!("{rank},{},{},{:.6}", p.index, quoted(&p.label), p.probability)
        };
        (1..).zip(&self.0).map(row).collect()
    }

    fn fields(&self) -> Map<String, Value> {
        Map::from_iter([("predictions".to_owned(), json!(self.0))])
    }
}
