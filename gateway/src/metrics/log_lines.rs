//! What of the log was lost, as its queue counts it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use crate::logging;

/// Asks the log when it is asked itself.
#[derive(Debug)]
pub(super) struct LostLines;

impl Collector for LostLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let lost = ConstCounter::new(logging::lost_lines());
        let help = "Lines of the log that were lost because nobody read them in time";
        let kind = lost.metric_type();
        lost.encode(encoder.encode_descriptor("log_lines_lost", help, None, kind)?)
    }
}
