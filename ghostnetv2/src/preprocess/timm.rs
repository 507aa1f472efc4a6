//! Reads the preprocessing from timm's `pretrained_cfg`.

use serde_json::{Map, Value};

use super::{CropMode, Filter, MAX_SIDE, Preprocess, PreprocessError};

impl Preprocess {
    /// Reads what timm's `resolve_data_config` reads, with its defaults for what is absent.
    ///
    /// `pretrained_cfg` is the object of that name in a model's `config.json`. As in timm, the
    /// keys `test_input_size` and `test_crop_pct` are not looked at, and a value that Python
    /// takes for false counts as absent.
    ///
    /// # Errors
    /// [`PreprocessError::NotAnObject`], or [`PreprocessError::Value`] with the key, for what
    /// timm would fail on later, and for these that it would take silently: a crop mode that it
    /// does not know, and a negative deviation.
    ///
    /// # Source
    /// timm 1.0.31, `timm/data/config.py`
    ///
    /// # Example
    /// ```
    /// use ghostnetv2::preprocess::{Filter, Preprocess};
    /// use serde_json::json;
    ///
    /// let config = json!({ "input_size": [3, 160, 160], "crop_pct": 0.95 });
    /// let preprocess = Preprocess::from_timm(&config)?;
    /// assert_eq!((preprocess.height(), preprocess.width()), (160, 160));
    /// assert_eq!(preprocess.interpolation(), Filter::Bicubic);
    /// # Ok::<(), ghostnetv2::preprocess::PreprocessError>(())
    /// ```
    pub fn from_timm(pretrained_cfg: &Value) -> Result<Self, PreprocessError> {
        let Value::Object(config) = pretrained_cfg else {
            return Err(PreprocessError::NotAnObject { found: shortened(pretrained_cfg) });
        };
        let mut preprocess = Self::default();
        if let Some(value) = present(config, "interpolation") {
            preprocess.interpolation = named("interpolation", value, Filter::ALL, Filter::name)?;
        }
        if let Some(value) = present(config, "crop_mode") {
            preprocess.crop_mode = named("crop_mode", value, CropMode::ALL, CropMode::name)?;
        }
        if let Some(value) = present(config, "mean") {
            preprocess.mean = colours("mean", value, "3 numbers", |_| true)?;
        }
        if let Some(value) = present(config, "std") {
            preprocess.std = colours("std", value, "3 positive numbers", |std| std > 0.0)?;
        }
        if let Some(value) = present(config, "crop_pct") {
            preprocess.crop_pct = value
                .as_f64()
                .filter(|&pct| pct > 0.0)
                .ok_or_else(|| refused("crop_pct", "a positive number", value))?;
        }
        if let Some(value) = present(config, "input_size") {
            (preprocess.height, preprocess.width) = input_size(value)?;
        }
        if preprocess.scaled().is_none() {
            let value = config.get("crop_pct").unwrap_or(&Value::Null);
            return Err(refused("crop_pct", "such that input_size / crop_pct is a size", value));
        }
        Ok(preprocess)
    }
}

/// The value of `key`, unless Python takes it for false.
fn present<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    config.get(key).filter(|value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    })
}

fn named<T: Copy>(
    key: &'static str,
    value: &Value,
    all: impl IntoIterator<Item = T> + Clone,
    name: fn(T) -> &'static str,
) -> Result<T, PreprocessError> {
    all.clone().into_iter().find(|&item| value.as_str() == Some(name(item))).ok_or_else(|| {
        let names: Vec<_> = all.into_iter().map(name).collect();
        refused(key, &format!("one of {}", names.join(", ")), value)
    })
}

fn colours(
    key: &'static str,
    value: &Value,
    expected: &str,
    accept: fn(f64) -> bool,
) -> Result<[f64; 3], PreprocessError> {
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|items| items.iter().map(Value::as_f64).collect());
    numbers
        .and_then(|numbers| <[f64; 3]>::try_from(numbers).ok())
        // The arithmetic is in single precision, where a tiny number is zero.
        .filter(|numbers| numbers.iter().all(|&n| accept(n) && accept(f64::from(n as f32))))
        .filter(|numbers| numbers.iter().all(|&n| (n as f32).is_finite()))
        .ok_or_else(|| refused(key, expected, value))
}

/// Height and width of `[channels, height, width]`.
fn input_size(value: &Value) -> Result<(u32, u32), PreprocessError> {
    let side = |value: &Value| {
        value
            .as_u64()
            .and_then(|side| u32::try_from(side).ok())
            .filter(|side| (1..=MAX_SIDE).contains(side))
    };
    match value.as_array().map(Vec::as_slice) {
        Some([channels, height, width]) if channels.as_u64() == Some(3) => {
            side(height).zip(side(width))
        }
        _ => None,
    }
    .ok_or_else(|| {
        refused("input_size", &format!("[3, height, width] with sides up to {MAX_SIDE}"), value)
    })
}

fn refused(key: &'static str, expected: &str, value: &Value) -> PreprocessError {
    PreprocessError::Value { key, expected: expected.to_owned(), found: shortened(value) }
}

/// JSON that fits in a message.
fn shortened(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
