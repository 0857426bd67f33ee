//! When a certificate ends, of which the TLS library tells nothing to servers.

use remint_idtoken::UnixTime;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which the first one does not have.
const VERSION: u8 = 0xa0;

/// `notAfter` of a certificate (RFC 5280, sections 4.1 and 4.1.2.5). It is
/// only told to people: whoever connects looks for himself.
pub(super) fn not_after(certificate: &[u8]) -> Option<UnixTime> {
    let (_, signed, _) = element(certificate)?;
    let (_, mut rest, _) = element(signed)?;
    let is_versioned = rest.first() == Some(&VERSION);
    let mut next = |expected| {
        let (tag, content, after) = element(rest)?;
        rest = after;
        (tag == expected).then_some(content)
    };
    if is_versioned {
        next(VERSION)?;
    }
    next(INTEGER)?;
    // The algorithm of the signature, and the issuer.
    next(SEQUENCE)?;
    next(SEQUENCE)?;
    let (_, _, after_not_before) = element(next(SEQUENCE)?)?;
    let (tag, time, _) = element(after_not_before)?;
    moment(tag, time)
}

/// Tag, content and what follows of one element (ITU-T X.690, section 8.1).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let join = |sum: usize, digit: &u8| (sum << 8) | usize::from(*digit);
            (digits.iter().fold(0, join), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// A time in one of the two forms, both in UTC and to the second.
fn moment(tag: u8, text: &[u8]) -> Option<UnixTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            // Two digits from 50 on are of the last century.
            (year.checked_add(if year >= 50 { 1900 } else { 2000 })?, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| rest.get(at..at.checked_add(2)?)?.parse::<u64>().ok();
    let days = days(year, part(0)?, part(2)?)?;
    let hours = days.checked_mul(24)?.checked_add(part(4)?)?;
    let minutes = hours.checked_mul(60)?.checked_add(part(6)?)?;
    Some(UnixTime(minutes.checked_mul(60)?.checked_add(part(8)?)?))
}

/// Days since 1970 in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    // Years that begin in March have the odd day at their end.
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month.checked_add(9)?),
        _ => (year, month.checked_sub(3)?),
    };
    let leap = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    let before = year.checked_mul(365)?.checked_add(leap)?;
    let months = month.checked_mul(153)?.checked_add(2)? / 5;
    // 719,469 days after the 1st of March of the year 0 is the 2nd of January 1970.
    before.checked_add(months)?.checked_add(day)?.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_a_time_are_read() {
        let utc = |text: &str| moment(UTC_TIME, text.as_bytes()).map(|it| it.to_string());
        assert_eq!(utc("700101000000Z").as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(utc("260921141320Z").as_deref(), Some("2026-09-21T14:13:20Z"));
        assert_eq!(utc("240229235959Z").as_deref(), Some("2024-02-29T23:59:59Z"));
        let general = moment(GENERALIZED_TIME, b"40960101000000Z").unwrap();
        assert_eq!(general.to_string(), "4096-01-01T00:00:00Z");
        for bad in ["", "Z", "2609211413Z", "26092114132xZ", "261321141320Z", "260921141320"] {
            assert_eq!(utc(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_certificate_tells_its_end() {
        let mut params = rcgen::CertificateParams::new(["orders.example.com".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        assert_eq!(not_after(made.der()).unwrap().to_string(), "2031-03-01T00:00:00Z");
        params.not_after = rcgen::date_time_ymd(2077, 12, 31);
        let made = params.self_signed(&key).unwrap();
        assert_eq!(not_after(made.der()).unwrap().to_string(), "2077-12-31T00:00:00Z");
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&bytes);
        }

        #[test]
        fn each_day_follows_the_one_before(day in 0_u64..40_000) {
            // The printed form is made by another library's calendar.
            let text = UnixTime(day * 86_400).to_string();
            let part = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
            prop_assert_eq!(days(part(0..4), part(5..7), part(8..10)), Some(day));
        }
    }
}
