//! One panel: what it asks, and how that is shown.

use serde_json::{Map, Value, json};

use super::shape::{self, Kind};
use super::{chosen, source};

/// Below the first of these values a panel is of the calm colour.
type Steps = &'static [(f64, &'static str)];

#[derive(Debug)]
pub struct Panel {
    pub width: u64,
    pub height: u64,
    kind: Kind,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    min: Option<f64>,
    max: Option<f64>,
    calm: &'static str,
    steps: Steps,
    words: Vec<Value>,
    overrides: Vec<Value>,
    transformations: Vec<Value>,
    targets: Vec<Value>,
}

impl Panel {
    /// A panel of the usual size of its kind, which counts from 0.
    pub fn new(kind: Kind, title: &'static str, description: &'static str) -> Self {
        let (width, height) = shape::size(kind);
        Self {
            width,
            height,
            kind,
            title,
            description,
            unit: "short",
            min: Some(0.0),
            max: None,
            calm: "green",
            steps: &[],
            words: Vec::new(),
            overrides: Vec::new(),
            transformations: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// One more query, and what its series are called.
    pub fn query(mut self, expr: &str, legend: &str) -> Self {
        let mut target = json!({
            "datasource": source(),
            "editorMode": "code",
            "expr": chosen(expr),
            "legendFormat": legend,
            "refId": self.next_letter(),
        });
        for (key, value) in shape::asks(self.kind) {
            target[key] = value;
        }
        self.targets.push(target);
        self
    }

    /// The letter that Grafana calls the next query by.
    pub fn next_letter(&self) -> String {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        letters.chars().nth(self.targets.len()).unwrap_or('Z').to_string()
    }

    pub fn size(mut self, width: u64, height: u64) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    pub fn share(mut self) -> Self {
        self.unit = "percentunit";
        self.max = Some(1.0);
        self
    }

    pub fn below_zero(mut self) -> Self {
        self.min = None;
        self
    }

    /// The colour below all steps, and the steps.
    pub fn colors(mut self, calm: &'static str, steps: Steps) -> Self {
        (self.calm, self.steps) = (calm, steps);
        self
    }

    /// A word and a colour in place of each number, from 0 on.
    pub fn words(mut self, words: &[(&str, &str)]) -> Self {
        let each = words.iter().enumerate().map(|(number, (word, color))| {
            (
                number.to_string(),
                json!({"index": number, "text": word, "color": color}),
            )
        });
        let options: Map<String, Value> = each.collect();
        self.words.push(json!({"type": "value", "options": options}));
        self
    }

    /// A word where there is nothing to divide by.
    pub fn undefined(mut self, word: &str) -> Self {
        self.words.push(json!({
            "type": "special",
            "options": {"match": "null+nan", "result": {"index": 0, "text": word, "color": "text"}},
        }));
        self
    }

    /// Changes how the series of this name is shown.
    pub fn but(mut self, series: &str, properties: &[(&str, Value)]) -> Self {
        let properties: Vec<_> = properties
            .iter()
            .map(|(id, value)| json!({"id": id, "value": value}))
            .collect();
        self.overrides.push(json!({
            "matcher": {"id": "byRegexp", "options": format!("/{series}/")},
            "properties": properties,
        }));
        self
    }

    /// What is below is a limit: a dashed red line.
    pub fn limit(self, series: &str) -> Self {
        self.but(
            series,
            &[
                ("color", json!({"mode": "fixed", "fixedColor": "red"})),
                ("custom.fillOpacity", json!(0)),
                ("custom.lineStyle", json!({"fill": "dash", "dash": [10, 10]})),
            ],
        )
    }

    pub fn transform(mut self, id: &str, options: &Value) -> Self {
        self.transformations.push(json!({"id": id, "options": options}));
        self
    }

    pub fn into_json(self, number: usize, place: &Value) -> Value {
        let mut steps = vec![json!({"value": null, "color": self.calm})];
        steps.extend(
            self.steps
                .iter()
                .map(|(value, color)| json!({"value": value, "color": color})),
        );
        let mut defaults = json!({
            "unit": self.unit,
            "color": {"mode": shape::color(self.kind)},
            "custom": shape::custom(self.kind),
            "mappings": self.words,
            "thresholds": {"mode": "absolute", "steps": steps},
        });
        for (key, limit) in [("min", self.min), ("max", self.max)] {
            if let Some(limit) = limit {
                defaults[key] = json!(limit);
            }
        }
        json!({
            "id": number,
            "type": shape::name(self.kind),
            "title": self.title,
            "description": self.description,
            "datasource": source(),
            "gridPos": place,
            "options": shape::options(self.kind),
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides},
            "transformations": self.transformations,
            "targets": self.targets,
        })
    }
}
