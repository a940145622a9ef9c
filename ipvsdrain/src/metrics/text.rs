//! Families as text: Prometheus' own format, and OpenMetrics for whoever asks for it.

use std::borrow::Cow;
use std::fmt::Write as _;

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// How a scrape is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The one that this `Accept` header prefers, as Prometheus writes it: OpenMetrics where it is named.
    pub fn accepted(header: Option<&str>) -> Self {
        match header {
            Some(header) if header.contains("application/openmetrics-text") => Format::OpenMetrics,
            _ => Format::Prometheus,
        }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All of it as text.
pub fn write(families: &[MetricFamily], format: Format) -> String {
    let mut text = String::new();
    for family in families {
        write_family(&mut text, family, format);
    }
    if format == Format::OpenMetrics {
        text += "# EOF\n";
    }
    text
}

fn write_family(text: &mut String, family: &MetricFamily, format: Format) {
    let kind = family.get_field_type();
    let word = match kind {
        MetricType::COUNTER => "counter",
        MetricType::HISTOGRAM => "histogram",
        _ => "gauge",
    };
    // In OpenMetrics the family of a counter has no suffix, only its samples do.
    let name = match (format, kind) {
        (Format::OpenMetrics, MetricType::COUNTER) => {
            family.name().strip_suffix("_total").unwrap_or(family.name())
        }
        _ => family.name(),
    };
    let _ = writeln!(text, "# HELP {name} {}", escaped(family.help(), format));
    let _ = writeln!(text, "# TYPE {name} {word}");
    for metric in family.get_metric() {
        match kind {
            MetricType::COUNTER => sample(
                text,
                family.name(),
                metric,
                None,
                metric.get_counter().get_value(),
            ),
            MetricType::HISTOGRAM => write_histogram(text, family.name(), metric),
            _ => sample(text, family.name(), metric, None, metric.get_gauge().get_value()),
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a count beyond 2^53 may be off by one in 2^53"
)]
fn write_histogram(text: &mut String, name: &str, metric: &Metric) {
    let histogram = metric.get_histogram();
    let bucket_name = format!("{name}_bucket");
    for bucket in histogram.get_bucket() {
        let bound = format!("{:?}", bucket.upper_bound());
        sample(
            text,
            &bucket_name,
            metric,
            Some(&bound),
            bucket.cumulative_count() as f64,
        );
    }
    let number = histogram.get_sample_count() as f64;
    sample(text, &bucket_name, metric, Some("+Inf"), number);
    sample(
        text,
        &format!("{name}_sum"),
        metric,
        None,
        histogram.get_sample_sum(),
    );
    sample(text, &format!("{name}_count"), metric, None, number);
}

fn sample(text: &mut String, name: &str, metric: &Metric, bound: Option<&str>, value: f64) {
    text.push_str(name);
    let pairs = metric.get_label().iter().map(|pair| (pair.name(), pair.value()));
    for (number, (label, value)) in pairs.chain(bound.map(|bound| ("le", bound))).enumerate() {
        text.push(if number == 0 { '{' } else { ',' });
        // Not by `write!`: this is most of the work.
        text.push_str(label);
        text.push_str("=\"");
        text.push_str(&quoted(value));
        text.push('"');
    }
    if !metric.get_label().is_empty() || bound.is_some() {
        text.push('}');
    }
    let _ = writeln!(text, " {value}");
}

fn quoted(value: &str) -> Cow<'_, str> {
    // Almost none has any of these, and there are hundreds of thousands of values.
    if !value.contains(['\\', '\n', '"']) {
        return Cow::Borrowed(value);
    }
    let escaped = value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"");
    Cow::Owned(escaped)
}

fn escaped(help: &str, format: Format) -> Cow<'_, str> {
    match format {
        Format::OpenMetrics => quoted(help),
        Format::Prometheus => Cow::Owned(help.replace('\\', "\\\\").replace('\n', "\\n")),
    }
}
