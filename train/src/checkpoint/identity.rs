//! Whether a checkpoint is of this run: the differences between two configurations.

use serde_json::Value;

/// One line for each key in which two JSON values differ: `key: found in the checkpoint, now`.
pub fn differences(saved: &Value, now: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", Some(saved), Some(now), &mut lines);
    lines
}

fn compare(key: &str, saved: Option<&Value>, now: Option<&Value>, lines: &mut Vec<String>) {
    match (saved, now) {
        (Some(Value::Object(saved)), Some(Value::Object(now))) => {
            let new = now.keys().filter(|name| !saved.contains_key(*name));
            for name in saved.keys().chain(new) {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                compare(&key, saved.get(name), now.get(name), lines);
            }
        }
        (saved, now) if saved == now => {}
        (saved, now) => {
            lines.push(format!("{key}: {} in the checkpoint, now {}", shown(saved), shown(now)));
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    const LONGEST: usize = 100;
    let Some(value) = value else { return "nothing".into() };
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_key_has_its_line() {
        let saved = json!({"lr": 0.1, "data": {"classes": ["a"], "n": 3}, "old": 1});
        assert!(differences(&saved, &saved.clone()).is_empty());
        let now = json!({"lr": 0.2, "data": {"classes": ["a", "b"], "n": 3}, "new": null});
        let lines = differences(&saved, &now);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines.contains(&"lr: 0.1 in the checkpoint, now 0.2".into()), "{lines:?}");
        assert!(lines.contains(&"old: 1 in the checkpoint, now nothing".into()), "{lines:?}");
    }
}
