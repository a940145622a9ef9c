//! Metric families, put together sample by sample.

use std::collections::HashSet;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::labels::Labels;

/// A family under construction.
#[derive(Debug)]
pub(super) struct Family {
    family: MetricFamily,
    /// Labels of the samples of services by mark: two of these can look alike, see [`Labels::may_be_shared`].
    shared: HashSet<Labels>,
}

impl Family {
    /// What may rise and fall.
    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self::of(name, help, MetricType::GAUGE)
    }

    /// What only rises, and begins anew with what it counts. Its name ends in `_total`.
    pub(super) fn counter(name: &str, help: &str) -> Self {
        Self::of(name, help, MetricType::COUNTER)
    }

    fn of(name: &str, help: &str, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self {
            family,
            shared: HashSet::new(),
        }
    }

    /// Of two samples with the same labels the first one counts.
    pub(super) fn add(&mut self, labels: &Labels, value: f64) {
        if labels.may_be_shared() && !self.shared.insert(labels.clone()) {
            return;
        }
        let mut metric = Metric::default();
        let pairs = labels.pairs().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        metric.set_label(pairs.collect());
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.family.mut_metric().push(metric);
    }

    /// A histogram without labels: `up_to` has each bound with how many were no larger, then come their number and sum.
    pub(super) fn histogram(
        name: &str,
        help: &str,
        up_to: impl Iterator<Item = (f64, u64)>,
        number: u64,
        sum: f64,
    ) -> MetricFamily {
        let buckets = up_to.map(|(bound, number)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(number);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(number);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        let mut family = Self::of(name, help, MetricType::HISTOGRAM).family;
        family.mut_metric().push(metric);
        family
    }

    /// As [`Family::add`], for a value that may not be known: then there is no sample.
    pub(super) fn add_known(&mut self, labels: &Labels, value: Option<f64>) {
        if let Some(value) = value {
            self.add(labels, value);
        }
    }

    /// The family; a family without a sample is left out.
    pub(super) fn finish(self) -> Option<MetricFamily> {
        (!self.family.get_metric().is_empty()).then_some(self.family)
    }
}

/// A count as the number that travels: exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "a count beyond 2^53 may be off by one in 2^53"
)]
pub(super) fn count(value: u64) -> f64 {
    value as f64
}

pub(super) fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}
