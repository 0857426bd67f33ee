//! Writing HTML.

/// The text, so that it means itself in HTML, also in an attribute in quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_not_put_markup_into_the_page() {
        assert_eq!(escape("/<script>\"'&"), "/&lt;script&gt;&quot;&#39;&amp;");
    }
}
