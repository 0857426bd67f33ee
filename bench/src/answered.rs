//! How Envoy has answered, by its own count: no figure counts unless every
//! answer behind it was right.

use std::io;
use std::time::Duration;

use remint_tests::chain::Envoy;
use remint_tests::client::get;

use crate::wrk::Count;

/// How Envoy has answered, by its own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    /// With 200 to 299.
    well: u64,
    /// With 400 to 499.
    refused: u64,
    /// With any other status.
    otherwise: u64,
    /// Requests that went on to the upstream.
    forwarded: u64,
}

impl Answered {
    pub(crate) async fn by(envoy: &Envoy) -> io::Result<Self> {
        Ok(Self::read(&get(envoy.admin(), "/stats").await?.text()))
    }

    fn read(stats: &str) -> Self {
        let counter = |name: &str| {
            let value = |line: &str| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
            stats.lines().find_map(value).unwrap_or(0)
        };
        let class = |class: u8| counter(&format!("http.edge.downstream_rq_{class}xx"));
        Self {
            well: class(2),
            refused: class(4),
            otherwise: class(1) + class(3) + class(5),
            forwarded: counter("cluster.gateway.upstream_rq_total"),
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            well: self.well - before.well,
            refused: self.refused - before.refused,
            otherwise: self.otherwise - before.otherwise,
            forwarded: self.forwarded - before.forwarded,
        }
    }

    /// What each of the answers took of this time, in microseconds.
    pub(crate) fn cost_us(self, time: Duration) -> f64 {
        let answers = self.well + self.refused + self.otherwise;
        time.as_secs_f64() * 1e6 / answers.max(1) as f64
    }

    /// Whether all answers were of the status's class, and only those that
    /// passed have reached the upstream.
    pub(crate) fn is_right(self, status: u16, count: &Count) -> bool {
        let Self { well, refused, otherwise, forwarded } = self;
        let all = |number: u64| number >= count.requests;
        match status {
            200 => all(well) && all(forwarded) && refused + otherwise + count.status == 0,
            _ => {
                all(refused) && count.status == count.requests && well + otherwise + forwarded == 0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(requests: u64, status: u64) -> Count {
        let count = serde_json::json!({"requests": requests, "status": status, "microseconds": 1,
            "p50": 1, "p99": 1, "connect": 0, "read": 0, "write": 0, "timeout": 0});
        serde_json::from_value(count).unwrap()
    }

    #[test]
    fn envoy_s_counters_are_read() {
        let stats = "http.edge.downstream_rq_2xx: 5\nhttp.edge.downstream_rq_4xx: 2\n\
             http.edge.downstream_rq_5xx: 1\nhttp.admin.downstream_rq_2xx: 9\n\
             cluster.gateway.upstream_rq_total: 6\n";
        let read = Answered { well: 5, refused: 2, otherwise: 1, forwarded: 6 };
        assert_eq!(Answered::read(stats), read);
        assert_eq!(read.since(read), Answered::default());
        assert!((read.cost_us(Duration::from_micros(400)) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn one_wrong_answer_spoils_a_measurement() {
        let good = Answered { well: 10, forwarded: 10, ..Answered::default() };
        assert!(good.is_right(200, &count(10, 0)));
        assert!(!good.is_right(200, &count(10, 1)));
        assert!(!good.is_right(200, &count(11, 0)));
        assert!(!Answered { refused: 1, ..good }.is_right(200, &count(10, 0)));
        assert!(!Answered { forwarded: 9, ..good }.is_right(200, &count(10, 0)));
        let refused = Answered { refused: 10, ..Answered::default() };
        assert!(refused.is_right(401, &count(10, 10)));
        assert!(!refused.is_right(401, &count(10, 9)));
        assert!(!Answered { forwarded: 1, ..refused }.is_right(401, &count(10, 10)));
        assert!(!Answered { otherwise: 1, ..refused }.is_right(401, &count(10, 10)));
    }
}
