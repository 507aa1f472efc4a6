//! timm's `config.json`: architecture, classes and preprocessing beside the weights.

use crate::{Config, Error};
use serde_json::{Map, Value};

/// A `config.json` in timm's form (`save_config_for_hf` in its `models/_hub.py`).
#[derive(Clone, Debug)]
pub struct TimmConfig {
    origin: String,
    json: Map<String, Value>,
}

impl TimmConfig {
    /// Parses the text of a `config.json`; `origin` names it in errors.
    ///
    /// # Errors
    /// A text that is not a JSON object.
    pub fn parse(origin: impl Into<String>, text: &[u8]) -> Result<Self, Error> {
        let origin = origin.into();
        // A byte order mark is common from Windows editors, and never part of the JSON.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        match serde_json::from_slice(text) {
            Ok(json) => Ok(Self { origin, json }),
            Err(error) => {
                let reason = format!("not a JSON object as timm writes it: {error}");
                Err(Error::Config { origin, reason })
            }
        }
    }

    /// Whether it has an `architecture` at all.
    pub(super) fn names_a_network(&self) -> bool {
        self.json.contains_key("architecture")
    }

    /// Version, width and input channels.
    ///
    /// # Errors
    /// No `architecture`, or one that is not a GhostNet; `model_args` that make no network.
    pub fn config(&self) -> Result<Config, Error> {
        let name = match self.json.get("architecture") {
            Some(Value::String(name)) => name,
            other => return Err(self.expected("architecture", "a timm model name", other)),
        };
        let base = name.split('.').next().unwrap_or(name);
        let Some(mut config) = Config::from_name(base) else {
            return Err(self.error(format!(
                "architecture {name:?} is not a GhostNet: expected one such as ghostnetv2_100"
            )));
        };
        if let Some(width) = self.model_arg("width") {
            config.width = width.as_f64().ok_or_else(|| {
                self.expected("model_args.width", "a number such as 1.0", Some(width))
            })?;
        }
        if let Some(channels) = self.model_arg("in_chans") {
            config.in_channels = self.count("model_args.in_chans", channels)?;
        }
        config.check().map_err(|error| self.error(format!("model_args: {error}")))?;
        Ok(config)
    }

    /// What stands under a key at the top, for those that are not timm's own.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.json.get(key)
    }

    /// `num_classes`, where it is there and a number.
    pub fn num_classes(&self) -> Option<usize> {
        let told = self.json.get("num_classes").or_else(|| self.model_arg("num_classes"))?;
        told.as_u64().and_then(|n| usize::try_from(n).ok())
    }

    /// `pretrained_cfg`: input size, crop, interpolation, mean, std. Old files have these
    /// directly at the top.
    pub fn pretrained_cfg(&self) -> Value {
        match self.json.get("pretrained_cfg") {
            Some(cfg) => cfg.clone(),
            None => Value::Object(self.json.clone()),
        }
    }

    /// `label_names`: class names or WordNet ids in class order.
    ///
    /// # Errors
    /// A list that is not of texts, or not as long as there are classes.
    pub fn label_names(&self) -> Result<Option<Vec<String>>, Error> {
        let Some(labels) = self.json.get("label_names").filter(|labels| !labels.is_null()) else {
            return Ok(None);
        };
        let names: Option<Vec<_>> = labels
            .as_array()
            .map(|labels| labels.iter().map(|l| l.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let Some(names) = names else {
            return Err(self.expected("label_names", "a list of texts", Some(labels)));
        };
        match self.num_classes() {
            Some(classes) if classes != names.len() => Err(self.error(format!(
                "label_names has {} names for {classes} classes: expected one each",
                names.len()
            ))),
            _ => Ok(Some(names)),
        }
    }

    /// The words for a name of `label_names`, from `label_descriptions`.
    pub fn label_description(&self, name: &str) -> Option<&str> {
        self.json.get("label_descriptions")?.get(name)?.as_str()
    }

    fn model_arg(&self, key: &str) -> Option<&Value> {
        self.json.get("model_args")?.get(key).filter(|value| !value.is_null())
    }

    fn count(&self, key: &str, value: &Value) -> Result<usize, Error> {
        let count = value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
        count.ok_or_else(|| self.expected(key, "a whole number above 0", Some(value)))
    }

    fn expected(&self, key: &str, expected: &str, found: Option<&Value>) -> Error {
        let found = found.map_or_else(|| "nothing".to_owned(), shortened);
        self.error(format!("{key}: expected {expected}, found {found}"))
    }

    fn error(&self, reason: String) -> Error {
        Error::Config { origin: self.origin.clone(), reason }
    }
}

/// A value as JSON, cut where it would fill the screen.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> TimmConfig {
        TimmConfig::parse("config.json", text.as_bytes()).unwrap()
    }

    #[test]
    fn architecture_and_width() {
        let config = |text| parse(text).config();
        assert_eq!(config(r#"{"architecture": "ghostnetv2_100"}"#).unwrap(), Config::v2(1.0));
        let text =
            r#"{"architecture": "ghostnet_100", "model_args": {"width": 0.75, "in_chans": 1}}"#;
        assert_eq!(config(text).unwrap(), Config { in_channels: 1, ..Config::v1(0.75) });
        let text = r#"{"architecture": "mindspore_ghostnetv2_100"}"#;
        assert_eq!(config(text).unwrap(), Config::mindspore(1.0));
        for (text, expected) in [
            ("{}", "found nothing"),
            (r#"{"architecture": 3}"#, "found 3"),
            (r#"{"architecture": "resnet50"}"#, "not a GhostNet"),
            (r#"{"architecture": "ghostnet_100", "model_args": {"width": "1"}}"#, "a number"),
            (r#"{"architecture": "ghostnet_100", "model_args": {"width": -1}}"#, "out of range"),
        ] {
            let error = config(text).unwrap_err().to_string();
            assert!(error.starts_with("config.json") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn labels_must_fit() {
        let text = r#"{"num_classes": 2, "label_names": ["n1", "n2"],
                       "label_descriptions": {"n1": "cat"}}"#;
        let config = parse(text);
        assert_eq!(config.label_names().unwrap().unwrap(), ["n1", "n2"]);
        assert_eq!(config.label_description("n1"), Some("cat"));
        assert_eq!(config.label_description("n2"), None);
        assert!(parse(r#"{"num_classes": 3, "label_names": ["a"]}"#).label_names().is_err());
        assert!(parse(r#"{"label_names": [1]}"#).label_names().is_err());
        assert!(parse(r#"{"label_names": {}}"#).label_names().is_err());
    }
}
