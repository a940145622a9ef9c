//! Rows of a table as a scenario tells them, for a person: `{"row", "ok", "expected", "seen", …}`.

use std::fmt::Write as _;

use serde_json::Value;

/// What was expected and is so takes one line; each fact that differs has one of its own. None if this is no row.
pub fn told(data: &Value) -> Option<String> {
    let name = data["row"].as_str()?;
    let word = if data["ok"] == true { "ok" } else { "WRONG" };
    let mut text = format!("{word:6}{name:26}");
    for key in ["sent", "lost", "unanswered"] {
        let _ = write!(text, " {key} {:<5}", number(&data[key]));
    }
    let _ = write!(
        text,
        " removal {} of {} s ",
        number(&data["seconds"]),
        number(&data["limit"])
    );
    let facts = data["expected"].as_object();
    for (what, expected) in facts.into_iter().flatten() {
        let seen = &data["seen"][what];
        if seen == expected {
            let _ = write!(text, " | {what}: {}", plain(seen));
        }
    }
    for (what, expected) in facts.into_iter().flatten() {
        let seen = &data["seen"][what];
        if seen != expected {
            let _ = write!(
                text,
                "\n      {what}: expected {}, seen {}",
                plain(expected),
                plain(seen)
            );
        }
    }
    if let Some(trouble) = data["trouble"].as_str() {
        let _ = write!(text, "\n      {}", trouble.replace('\n', "\n      "));
    }
    Some(text)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:.1}"),
        Some(number) => number.to_string(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_one_line_and_what_differs_another() {
        let row = |seen: &str| {
            json!({"row": "plain", "ok": seen == "0", "expected": {"exit": "0", "lost": 0}, "seen": {"exit": seen, "lost": 0},
                "sent": 12, "lost": 0, "unanswered": 0, "seconds": 10.42, "limit": 12.0, "trouble": null})
        };
        let right = told(&row("0")).unwrap();
        assert!(!right.contains('\n') && right.starts_with("ok"), "{right}");
        assert!(right.contains("removal 10.4 of 12.0 s"), "{right}");
        let wrong = told(&row("4")).unwrap();
        assert!(wrong.contains("\n      exit: expected 0, seen 4"), "{wrong}");
        assert_eq!(told(&json!({"step": "drain"})), None);
    }
}
