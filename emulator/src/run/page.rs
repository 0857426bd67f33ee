//! The pages with which Cloud Run refuses a call.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::answers::{Answer, answer};

const CHALLENGE: &str = "Bearer error=\"invalid_token\" \
     error_description=\"The access token could not be verified\"";

/// The refusal of a call to that path. It never says why: that is in the
/// emulator's timeline, as it would be in Cloud Run's log.
pub(super) fn refusal(status: StatusCode, path: &str) -> Answer {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let path = escape(path);
    let page = format!(
        "<html><head>\n\
         <meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n\
         <title>{title}</title>\n\
         </head>\n\
         <body text=#000000 bgcolor=#ffffff>\n\
         <h1>Error: {}</h1>\n\
         <h2>Your client does not have permission to get URL <code>{path}</code> \
         from this server.</h2>\n\
         <h2></h2>\n\
         </body></html>\n",
        status.canonical_reason().unwrap_or_default()
    );
    let mut answer = answer(status, "text/html; charset=UTF-8", page);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(CHALLENGE);
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

fn escape(text: &str) -> String {
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

    #[test]
    fn only_a_401_carries_a_challenge() {
        let challenged = |status| refusal(status, "/").headers().contains_key(WWW_AUTHENTICATE);
        assert!(challenged(StatusCode::UNAUTHORIZED));
        assert!(!challenged(StatusCode::FORBIDDEN));
    }
}
