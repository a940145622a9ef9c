//! The process itself, under the names that every exporter has: CPU time, memory, files, start.

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

/// As `/proc` has it at this moment. Nothing where that cannot be read.
pub fn of_the_process() -> Vec<MetricFamily> {
    ProcessCollector::for_self().collect()
}
