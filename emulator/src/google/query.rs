//! Reading a query.

/// The first value of that name, decoded.
pub(crate) fn value(query: Option<&str>, name: &str) -> Option<String> {
    pairs(query).find_map(|(key, value)| (key == name).then_some(value))
}

/// All names and values, decoded.
pub(crate) fn pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// Decodes `%XX` and `+`, as servers of forms do. What is not an escape stays
/// as it is.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => match escaped(after) {
                Some((byte, after)) => {
                    out.push(byte);
                    rest = after;
                }
                None => out.push(b'%'),
            },
            byte => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Decodes `%XX` in a path or a part of one, where a plus is a plus.
pub(crate) fn decode_path(path: &str) -> String {
    decode(&path.replace('+', "%2B"))
}

fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.split_at_checked(2)?;
    let both = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| both)?;
    Some((u8::from_str_radix(digits, 16).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_decoded() {
        let query = Some("format=full&audience=https%3A%2F%2Fa.example%2F%3Fb%3dc&x");
        assert_eq!(value(query, "audience").as_deref(), Some("https://a.example/?b=c"));
        assert_eq!(value(query, "format").as_deref(), Some("full"));
        assert_eq!(value(query, "x").as_deref(), Some(""));
        assert_eq!(value(query, "y"), None);
        assert_eq!(value(None, "x"), None);
    }

    #[test]
    fn in_a_path_a_plus_is_a_plus() {
        assert_eq!(decode_path("a+b%40c%2B"), "a+b@c+");
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for (text, decoded) in
            [("a+b", "a b"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%+1", "% 1")]
        {
            assert_eq!(decode(text), decoded);
        }
        assert_eq!(decode_path("a+b%2Bc"), "a+b+c");
    }
}
