//! The catalogue of reasons: a page for people, with an anchor for each code, and
//! the same as JSON.

use std::fmt::Write;

use remint_idtoken::Reason;
use serde_json::{Value, json};

use crate::reasons::capital;

/// What stands around the reasons.
const FRAME: &str = include_str!("reasons.html");
/// Where they stand in it.
const PLACE: &str = "<!-- reasons -->\n";

/// What is known of every reason, by its code.
pub(super) fn json() -> Value {
    let reason = |reason: &Reason| {
        let entry = reason.entry();
        let known = json!({
            "summary": entry.summary,
            "meaning": entry.meaning,
            "causes": entry.causes,
            "advice": entry.advice,
            "terraform": entry.terraform,
            "status": entry.answer.status(),
        });
        (entry.code.to_owned(), known)
    };
    Reason::ALL.iter().map(reason).collect()
}

/// The page. It has no script, so that it can be read whatever a browser runs.
pub(super) fn page() -> String {
    let mut shown = String::new();
    let parts = [("Found out here", "here", true), ("Found out elsewhere", "elsewhere", false)];
    for (title, id, is_ours) in parts {
        let codes = of(is_ours).map(|it| format!("<li><a href=\"#{0}\">{0}</a></li>", it.code()));
        let _ = write!(
            shown,
            "<nav aria-labelledby=\"{id}-codes\">\n<h2 id=\"{id}-codes\">{title}</h2>\n\
             <ul class=\"codes\">{}</ul>\n</nav>\n",
            codes.collect::<String>(),
        );
    }
    for (title, id, is_ours) in parts {
        let _ = writeln!(shown, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>");
        of(is_ours).for_each(|reason| add(&mut shown, reason));
        shown.push_str("</section>\n");
    }
    FRAME.replacen(PLACE, &shown, 1)
}

fn of(is_ours: bool) -> impl Iterator<Item = Reason> {
    Reason::ALL.into_iter().filter(move |it| it.is_of_verification() == is_ours)
}

fn add(page: &mut String, reason: Reason) {
    let entry = reason.entry();
    let code = entry.code;
    let _ = writeln!(
        page,
        "<article id=\"{code}\" tabindex=\"-1\" aria-labelledby=\"{code}-code\">\n\
         <h3 id=\"{code}-code\"><a href=\"#{code}\">{code}</a></h3>\n\
         <p class=\"summary\">{}.</p>\n<p>{}</p>\n<h4>Mostly it comes from</h4>\n<ol>{}</ol>\n\
         <h4>What to do</h4>\n<p>{}.</p>",
        text(&capital(entry.summary)),
        text(entry.meaning),
        items(entry.causes, "", ""),
        text(&capital(entry.advice)),
    );
    if !entry.terraform.is_empty() {
        let attributes = items(entry.terraform, "<code>", "</code>");
        let _ = writeln!(page, "<h4>In Terraform</h4>\n<ul>{attributes}</ul>");
    }
    let answered = match reason.is_of_verification() {
        true => format!("The caller gets {}. ", entry.answer.status()),
        false => String::new(),
    };
    let _ = writeln!(
        page,
        "<p class=\"muted\">{answered}<code>remint reasons {code}</code> prints the same.</p>\n\
         </article>"
    );
}

fn items(texts: &[&str], before: &str, after: &str) -> String {
    texts.iter().map(|it| format!("<li>{before}{}{after}</li>", text(it))).collect()
}

/// As text of a page. What stands between two backquotes is code.
fn text(plain: &str) -> String {
    let safe = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = safe.split('`').zip([false, true].into_iter().cycle());
    parts
        .map(
            |(part, is_code)| {
                if is_code { format!("<code>{part}</code>") } else { part.to_owned() }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_anchor_once_and_all_that_is_known_of_it() {
        let page = page();
        assert!(!page.contains(PLACE));
        for reason in Reason::ALL {
            let entry = reason.entry();
            let (anchor, link) =
                (format!(" id=\"{}\"", entry.code), format!("href=\"#{}\"", entry.code));
            assert_eq!(page.matches(&anchor).count(), 1, "{}", entry.code);
            assert_eq!(page.matches(&link).count(), 2, "{}", entry.code);
            let texts = [entry.meaning].into_iter().chain(entry.causes.iter().copied());
            for known in texts.chain(entry.terraform.iter().copied()) {
                assert!(page.contains(&text(known)), "{} lacks {known}", entry.code);
            }
        }
    }

    #[test]
    fn what_is_text_stays_text() {
        assert_eq!(text("a <b> & \"c\""), "a &lt;b&gt; &amp; \"c\"");
        assert_eq!(text("`gcloud x` <y>"), "<code>gcloud x</code> &lt;y&gt;");
        assert_eq!(capital("the token"), "The token");
    }
}
