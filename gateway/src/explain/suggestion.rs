//! A rule that would let a request in, for whoever has none yet.

use std::fmt::Write;

use remint_idtoken::Claims;
use remint_idtoken::config::{list, quoted};

use super::Captured;

const IAP: &str = "https://cloud.google.com/iap";
const OAUTH_CLIENT: &str = ".apps.googleusercontent.com";

/// A policy with one rule, in YAML. None where no sensible rule takes such tokens, or
/// where the request does not say enough.
pub(super) fn rule(claims: &Claims, captured: &Captured) -> Option<String> {
    let target = captured.target().ok()?;
    let audience = claims.audiences.first().filter(|it| !it.ends_with(OAUTH_CLIENT))?;
    let (email, subject) = (claims.verified_email(), claims.subject.as_deref());
    let callers = match (email, subject) {
        (Some(email), _) => format!("emails: {}", list(&[email.to_owned()])),
        (None, subject) => format!("subjects: {}", list(&[subject?.to_owned()])),
    };
    // What nobody knows stands in capitals, which no rule takes.
    let host = if captured.has_url { target.host() } else { "HOST" };
    let name = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_of_iap = claims.issuer == IAP;
    let mut yaml = String::from("policy:\n");
    if is_of_iap {
        yaml.push_str("  issuers: [{ preset: iap }]\n");
    }
    let (hosts, methods) = ([host.to_owned()], [target.method().to_owned()]);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let paths = match captured.has_url && target.path().chars().all(is_plain) {
        true => format!(", paths: [{{ prefix: {} }}]", quoted(target.path())),
        false => String::new(),
    };
    let _ = write!(
        yaml,
        "  rules:\n    - name: {name}\n      match: {{ hosts: {}{paths}, methods: {} }}\n      \
         audiences: {}\n",
        list(&hosts),
        list(&methods),
        list(std::slice::from_ref(audience)),
    );
    let _ = writeln!(yaml, "      callers: {{ {callers} }}");
    Some(yaml)
}
