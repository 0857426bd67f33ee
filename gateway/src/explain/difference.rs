//! What one letter makes.

/// How two texts differ, if it is by little; in words about the first one.
pub(super) fn difference(received: &str, expected: &str) -> Option<String> {
    if received == expected || received.len() < 8 {
        return None;
    }
    if received.eq_ignore_ascii_case(expected) {
        return Some(format!("it differs from {expected} only in upper and lower case"));
    }
    let https = received.strip_prefix("http://").map(|rest| format!("https://{rest}"));
    if https.is_some_and(|it| it == expected) {
        return Some(format!("it differs from {expected} only by http:// in place of https://"));
    }
    let same = |(a, b): &(char, char)| a == b;
    let start = received.chars().zip(expected.chars()).take_while(same).count();
    let backwards = received.chars().rev().zip(expected.chars().rev());
    let shortest = received.chars().count().min(expected.chars().count());
    let end = backwards.take_while(same).count().min(shortest.saturating_sub(start));
    let middle = |text: &str| -> String {
        let length = text.chars().count().saturating_sub(start).saturating_sub(end);
        text.chars().skip(start).take(length).collect()
    };
    let (has, lacks) = (middle(received), middle(expected));
    let is_little = |text: &str| text.chars().count() <= 2;
    if !is_little(&has) || !is_little(&lacks) {
        return None;
    }
    Some(match (has.as_str(), lacks.as_str()) {
        ("", lacks) => format!("it differs from {expected} only by {lacks:?}, which it lacks"),
        (has, "") => format!("it differs from {expected} only by {has:?}, which it has too much"),
        (has, lacks) => format!("it differs from {expected} only by {has:?} in place of {lacks:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_differences_are_named_and_large_ones_are_none() {
        let expected = "https://orders.example.com";
        for (received, said) in [
            ("https://Orders.example.com", Some("only in upper and lower case")),
            ("http://orders.example.com", Some("only by http:// in place of https://")),
            ("https://order.example.com", Some("only by \"s\", which it lacks")),
            ("https://orders.example.comm", Some("only by \"m\", which it has too much")),
            ("https://orderz.example.com", Some("only by \"z\" in place of \"s\"")),
            ("https://orders.example.org", None),
            ("https://users.example.com", None),
            (expected, None),
            ("x", None),
        ] {
            let found = difference(received, expected);
            let is_right = match said {
                Some(part) => found.as_ref().is_some_and(|it| it.contains(part)),
                None => found.is_none(),
            };
            assert!(is_right, "{received}: {found:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_texts_make_it_panic(a in "[aä]{0,12}", b in "[aä]{0,12}") {
            let _ = difference(&a, &b);
        }
    }
}
