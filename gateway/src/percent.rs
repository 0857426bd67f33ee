//! Percent-encoding, of queries, forms and URNs.

use std::fmt::Write;

/// What it holds, with all but letters, digits and `-._~` encoded (RFC 3986, section
/// 2.3). Forms may have a space as `%20` too.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            // Writing to a string does not fail.
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_value_whatever_it_holds() {
        let text = encoded("https://h:1/p?a=b&format=x#ä +".as_bytes());
        assert_eq!(text, "https%3A%2F%2Fh%3A1%2Fp%3Fa%3Db%26format%3Dx%23%C3%A4%20%2B");
    }
}
