//! Commands that mend a refusal, for whoever may have sent the request.

use remint_idtoken::{Refusal, Sender, is_service_account, shell_word};

use super::Explanation;
use super::subject::NO_AUDIENCE;

/// How commands begin that make a token by hand.
const BY_HAND: &str = "gcloud auth print-identity-token";

impl Explanation {
    /// The command that mends it, for each sender that it may come from. Nobody but
    /// a person has gcloud make tokens.
    pub(super) fn commands(&self, refusal: &Refusal) -> Vec<(&'static str, String)> {
        let Some(command) = refusal.remedy().command else { return Vec::new() };
        let filled = |command: String| command.replace(NO_AUDIENCE, &self.audience());
        if refusal.sender().is_some() || !command.starts_with(BY_HAND) {
            return vec![("", filled(command))];
        }
        let claims = self.token_of(refusal).and_then(|token| token.claims.as_ref());
        let email = claims.and_then(remint_idtoken::Claims::claimed_email);
        if email.is_some_and(|email| !is_service_account(email)) {
            return vec![("", filled(command))];
        }
        let of = |sender: Sender| {
            let command = refusal.clone().sent_by(Some(sender)).remedy().command?;
            Some((sender.name(), filled(command)))
        };
        let mut all: Vec<_> = Sender::ALL.into_iter().filter_map(of).collect();
        all.push(("a program on Google Cloud", by_metadata_server(&self.audience())));
        all.push(("a person", filled(command)));
        all
    }

    /// An audience that is right: the rule's first one, or where there is no
    /// configuration the origin of the URL that was called.
    fn audience(&self) -> String {
        let rule = self.walk.rule.as_ref().filter(|_| self.is_configured);
        let audience = rule.and_then(|rule| rule.audiences().next()).map(str::to_owned);
        let target = || self.captured.target().ok().filter(|_| self.captured.has_url);
        let origin = || target().map(|it| format!("https://{}", it.host()));
        audience.or_else(origin).unwrap_or_else(|| "AUDIENCE".to_owned())
    }
}

/// How a program gets a token for an audience (Compute Engine, "Verify VM identity";
/// Cloud Run, "Authenticating service-to-service").
fn by_metadata_server(audience: &str) -> String {
    let url = format!(
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/\
         identity?format=full&audience={}",
        crate::percent::encoded(audience.as_bytes())
    );
    format!("curl --header 'Metadata-Flavor: Google' {}", shell_word(&url))
}
