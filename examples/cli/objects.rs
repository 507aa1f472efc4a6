//! Names of what detectors find, and COCO's numbers for it.

use crate::exit::Usage;
use anyhow::Result;
use ghostnetv2::weights::TimmConfig;
use serde_json::Value;
use std::path::Path;

/// COCO's categories: number, tab, name.
const COCO: &str = include_str!("../../assets/coco_classes.txt");

/// The classes of a detector.
#[derive(Clone, Debug)]
pub struct Objects {
    names: Vec<String>,
    /// The category's number in the annotations that the detector was trained on.
    categories: Vec<u64>,
}

impl Objects {
    /// Categories are those of `head.category_ids` of `config.json`. Where there are none, 91 classes
    /// are COCO's category numbers themselves, 80 are its categories in their order; others have
    /// the numbers of their places. Names are those of the file, else of the
    /// checkpoint's `label_names`, else COCO's.
    ///
    /// # Errors
    /// Another number of names or of categories than of classes.
    pub fn new(classes: usize, config: Option<&TimmConfig>, file: Option<&Path>) -> Result<Self> {
        let coco: Vec<(u64, &str)> = coco().collect();
        let categories: Vec<u64> = match (told_categories(classes, config)?, classes) {
            (Some(told), _) => told,
            (None, 80) => coco.iter().map(|&(number, _)| number).collect(),
            (None, _) => (0..classes as u64).collect(),
        };
        let of_coco = |number: &u64| coco.iter().find(|(known, _)| known == number);
        let name = |number: &u64| match of_coco(number) {
            Some(&(_, name)) if matches!(classes, 80 | 91) => name.to_owned(),
            _ => format!("class {number}"),
        };
        let told = config.map(TimmConfig::label_names).transpose()?.flatten();
        let names = match (file, told.filter(|names| names.len() == classes)) {
            (Some(file), _) => crate::labels::lines(file, classes)?,
            (None, Some(names)) => names,
            (None, None) => categories.iter().map(name).collect(),
        };
        Ok(Self { names, categories })
    }

    /// The number of each class in annotations.
    pub fn categories(&self) -> &[u64] {
        &self.categories
    }

    /// The name of a class.
    pub fn name(&self, class: u32) -> &str {
        self.names.get(class as usize).map_or("?", String::as_str)
    }

    /// The number of a class in annotations.
    pub fn category(&self, class: u32) -> u64 {
        self.categories.get(class as usize).copied().unwrap_or(u64::from(class))
    }

    /// The classes that a list of names or numbers of annotations means.
    ///
    /// # Errors
    /// [`Usage`]: one that there is not.
    pub fn named(&self, wanted: &[String]) -> Result<Vec<u32>> {
        let class = |wanted: &String| {
            let number = wanted.parse::<u64>().ok();
            let mut all = self.names.iter().zip(&self.categories);
            let place = all.position(|(name, &category)| {
                name.eq_ignore_ascii_case(wanted) || number == Some(category)
            });
            place.map(|place| place as u32).ok_or_else(|| self.unknown(wanted))
        };
        wanted.iter().map(class).collect()
    }

    fn unknown(&self, wanted: &str) -> anyhow::Error {
        let known: Vec<_> = self.names.iter().filter(|name| !name.starts_with("class ")).collect();
        let known = match known.is_empty() {
            true => format!("a number below {}", self.names.len()),
            false => known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
        };
        Usage(format!("--classes: unknown class {wanted:?}: expected one of {known}")).into()
    }
}

/// `head.category_ids` of `config.json`.
fn told_categories(classes: usize, config: Option<&TimmConfig>) -> Result<Option<Vec<u64>>> {
    let told = config.and_then(|config| config.get("head")?.get("category_ids"));
    let Some(told) = told else { return Ok(None) };
    let numbers = told.as_array().map(|all| all.iter().map(Value::as_u64).collect());
    let numbers: Option<Vec<u64>> = numbers.flatten().filter(|all: &Vec<_>| all.len() == classes);
    let text = "config.json: head.category_ids: expected a number for each class";
    numbers.map(Some).ok_or_else(|| Usage(text.into()).into())
}

fn coco() -> impl Iterator<Item = (u64, &'static str)> {
    COCO.lines().filter_map(|line| {
        let (number, name) = line.split_once('\t')?;
        Some((number.parse().ok()?, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_count_cocos_categories() {
        let all: Vec<_> = coco().collect();
        assert_eq!((all.len(), all[0], all[79]), (80, (1, "person"), (90, "toothbrush")));
        let torchvision = Objects::new(91, None, None).unwrap();
        assert_eq!((torchvision.name(18), torchvision.category(18)), ("dog", 18));
        assert_eq!(torchvision.name(12), "class 12");
        let mmdet = Objects::new(80, None, None).unwrap();
        assert_eq!((mmdet.name(16), mmdet.category(16)), ("dog", 18));
        assert_eq!((mmdet.name(79), mmdet.category(79)), ("toothbrush", 90));
        let own = Objects::new(2, None, None).unwrap();
        assert_eq!((own.name(1), own.category(1), own.name(2)), ("class 1", 1, "?"));
    }

    #[test]
    fn categories_of_ones_own() {
        let config = |text: &str| TimmConfig::parse("config.json", text.as_bytes()).unwrap();
        let own = config(r#"{"head": {"category_ids": [7, 300]}}"#);
        let objects = Objects::new(2, Some(&own), None).unwrap();
        assert_eq!(objects.categories(), [7, 300]);
        assert_eq!((objects.name(1), objects.category(1)), ("class 300", 300));
        assert!(Objects::new(3, Some(&own), None).is_err());
        let odd = config(r#"{"head": {"category_ids": ["a"]}}"#);
        assert!(Objects::new(1, Some(&odd), None).is_err());
    }

    #[test]
    fn classes_by_name_and_number() {
        let mmdet = Objects::new(80, None, None).unwrap();
        let named = |names: &[&str]| {
            mmdet.named(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(named(&["Dog", "90"]).unwrap(), [16, 79]);
        assert!(named(&["unicorn"]).unwrap_err().to_string().contains("toothbrush"));
    }
}
