//! Percent-encoding, of queries and forms.

use std::fmt::Write;

/// The text with all but letters, digits and `-._~` encoded (RFC 3986, section
/// 2.3). Forms may have a space as `%20` too.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
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
        let text = encoded("https://h:1/p?a=b&format=x#ä +");
        assert_eq!(text, "https%3A%2F%2Fh%3A1%2Fp%3Fa%3Db%26format%3Dx%23%C3%A4%20%2B");
    }
}
