//! Lengths of time as people say them.

use std::time::Duration;

/// In the two largest units: `12 s`, `3 min`, `1 h 2 min`, `3 days 4 h`.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let day = if days == 1 { "day" } else { "days" };
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if minutes < 10 => both(minutes, "min", seconds % 60, "s"),
        () if hours < 1 => format!("{minutes} min"),
        () if days < 1 => both(hours, "h", minutes % 60, "min"),
        () => both(days, day, hours % 24, "h"),
    }
}

fn both(large: u64, unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_enough() {
        for (seconds, said) in [
            (0, "0 s"),
            (12, "12 s"),
            (180, "3 min"),
            (185, "3 min 5 s"),
            (3599, "59 min"),
            (3600, "1 h"),
            (3720, "1 h 2 min"),
            (86_400, "1 day"),
            (273_600, "3 days 4 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }
}
