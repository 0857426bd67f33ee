//! The arithmetic of the tables.

/// What one measurement says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Requests answered in a second.
    pub per_second: f64,
    /// The median of the latency, in milliseconds.
    pub p50_ms: f64,
    /// The latency that one request in a hundred exceeds, in milliseconds.
    pub p99_ms: f64,
    /// The processor time that Envoy takes for a request, in microseconds.
    /// What else runs on the machine changes it less than the rates.
    pub cpu_us: f64,
}

/// All rounds of one measurement together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The median of each figure.
    pub median: Sample,
    /// The fewest requests per second of any round.
    pub lowest: f64,
    /// The most requests per second of any round.
    pub highest: f64,
}

impl Summary {
    /// Of the rounds' samples; nothing if there are none.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let all = |figure: fn(&Sample) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
        let rates = all(|sample| sample.per_second);
        Some(Self {
            lowest: rates.iter().copied().reduce(f64::min)?,
            highest: rates.iter().copied().reduce(f64::max)?,
            median: Sample {
                per_second: median(rates)?,
                p50_ms: median(all(|sample| sample.p50_ms))?,
                p99_ms: median(all(|sample| sample.p99_ms))?,
                cpu_us: median(all(|sample| sample.cpu_us))?,
            },
        })
    }
}

/// How one setup compares with another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// How many times as many requests it answers in a second.
    pub rate: f64,
    /// How many times as many it answers in a second of processor time.
    pub cpu: f64,
}

impl Comparison {
    /// Of a setup with `base`; nothing if one of them has no figures.
    #[must_use]
    pub fn of(value: &Summary, base: &Summary) -> Option<Self> {
        let (value, base) = (value.median, base.median);
        Some(Self {
            rate: ratio(value.per_second, base.per_second)?,
            cpu: ratio(base.cpu_us, value.cpu_us)?,
        })
    }
}

/// The value in the middle, or the mean of both that are.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], upper),
        _ => upper,
    })
}

/// The value that so many of a hundred are not above; nothing if there are
/// none.
#[must_use]
pub fn percentile(mut values: Vec<f64>, of_hundred: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * of_hundred).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied()
}

/// How many times `base` a value is; nothing if `base` is zero.
#[must_use]
pub fn ratio(value: f64, base: f64) -> Option<f64> {
    (base > 0.0).then(|| value / base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(values.clone(), 50), Some(100.0));
        assert_eq!(percentile(values, 99), Some(198.0));
        assert_eq!(percentile(vec![7.0], 99), Some(7.0));
        assert_eq!(percentile(vec![], 50), None);
    }

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7.0]), Some(7.0));
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 1.0, 100.0, 2.0]), Some(3.0));
    }

    #[test]
    fn a_ratio_needs_something_to_compare_with() {
        assert_eq!(ratio(3.0, 2.0), Some(1.5));
        assert_eq!(ratio(3.0, 0.0), None);
    }

    #[test]
    fn a_summary_has_the_median_of_each_figure_and_the_range() {
        let sample = |per_second, p99_ms| Sample { per_second, p50_ms: 1.0, p99_ms, cpu_us: 50.0 };
        let samples = [sample(30.0, 9.0), sample(10.0, 2.0), sample(20.0, 4.0)];
        let summary = Summary::of(&samples).unwrap();
        assert_eq!(summary.median, sample(20.0, 4.0));
        assert_eq!((summary.lowest, summary.highest), (10.0, 30.0));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn less_processor_time_is_more_speed() {
        let summary = |per_second, cpu_us| {
            Summary::of(&[Sample { per_second, p50_ms: 1.0, p99_ms: 1.0, cpu_us }]).unwrap()
        };
        let (slow, fast) = (summary(10.0, 100.0), summary(15.0, 50.0));
        assert_eq!(Comparison::of(&fast, &slow), Some(Comparison { rate: 1.5, cpu: 2.0 }));
        assert_eq!(Comparison::of(&fast, &summary(0.0, 0.0)), None);
    }
}
