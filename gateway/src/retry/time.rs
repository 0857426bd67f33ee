//! How long a caller is willing to wait.

use std::time::Duration;

/// The caller's own deadline: `grpc-timeout: 100m`, at most eight digits and a
/// unit (gRPC over HTTP/2, "Timeout"). What can't be read is none.
pub(crate) fn read_grpc_timeout(text: &str) -> Option<Duration> {
    let digits = text.get(..text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok())??;
    match text.as_bytes().last()? {
        b'H' => number.checked_mul(3600).map(Duration::from_secs),
        b'M' => number.checked_mul(60).map(Duration::from_secs),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The same for the region, in the finest unit from milliseconds on whose
/// eight digits hold it. Never more than there is.
pub(crate) fn write_grpc_timeout(left: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let seconds = u128::from(left.as_secs());
    let units = [(left.as_millis(), 'm'), (seconds, 'S'), (seconds.div_euclid(60), 'M')];
    let fitting = units.into_iter().find(|(number, _)| *number <= MOST);
    let (number, unit) = fitting.unwrap_or((MOST, 'M'));
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_callers_deadline_is_read_as_grpc_writes_it() {
        let read = read_grpc_timeout;
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("00000001S"), Some(Duration::from_secs(1)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("9u"), Some(Duration::from_micros(9)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for junk in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "000000001S", "1 S", "1Sé", "é"] {
            assert_eq!(read(junk), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_never_more_and_can_be_read(seconds in any::<u64>(), nanos in 0_u32..1_000_000_000) {
            let left = Duration::new(seconds, nanos);
            let read = read_grpc_timeout(&write_grpc_timeout(left)).unwrap();
            prop_assert!(read <= left);
            if seconds < 90_000 {
                prop_assert!(left - read < Duration::from_millis(1));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,12}") {
            let _ = read_grpc_timeout(&text);
        }
    }
}
