//! What to do about a refusal.

use crate::refusal::{Reason, Refusal};
use crate::sender::Sender;

/// What to do about a [`Refusal`]: a sentence and, where one command mends
/// it, that command, with the values of this request filled in. Names that
/// the request does not tell stand in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What to do, in one sentence.
    pub advice: &'static str,
    /// The command that does it.
    pub command: Option<String>,
}

impl Refusal {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        let advice = match (self.reason, self.sender()) {
            (reason, Some(Sender::PubSub)) if reason.is_about_audience() => PUSH_ADVICE,
            (reason, _) => reason.entry().advice,
        };
        Remedy { advice, command: command(self) }
    }
}

const PUSH_ADVICE: &str = "set the sender's audience to an accepted one, or add the received one \
    to the rule (the command replaces the whole push configuration: repeat --push-no-wrapper if \
    the subscription has it)";

fn command(refusal: &Refusal) -> Option<String> {
    match refusal.reason {
        reason if reason.is_about_audience() => {
            let audience = refusal.expectation()?.values().first()?;
            Some(sender_command(refusal, Some(audience), refusal.caller_name()))
        }
        Reason::TokenMissing => Some(sender_command(refusal, None, None)),
        Reason::CallerNotAllowed => {
            let caller = refusal.expectation()?.values().first()?;
            refusal.sender().map(|_| sender_command(refusal, None, Some(caller)))
        }
        _ => None,
    }
}

/// The command that gives a sender an account and an audience. Without a
/// guess who the sender is, one that fetches such a token by hand.
fn sender_command(refusal: &Refusal, audience: Option<&str>, account: Option<&str>) -> String {
    let endpoint = shell_word(refusal.url_for_command().unwrap_or("ENDPOINT"));
    // Accounts of a sender are listed with the sender's name behind them.
    let account = account.and_then(|account| account.split(' ').next());
    let account = account.filter(|account| account.contains('@'));
    let account = shell_word(account.unwrap_or("SERVICE_ACCOUNT_EMAIL"));
    let audience = shell_word(audience.unwrap_or("AUDIENCE"));
    match refusal.sender() {
        Some(Sender::PubSub) => format!(
            "gcloud pubsub subscriptions modify-push-config SUBSCRIPTION \
             --push-endpoint={endpoint} --push-auth-service-account={account} \
             --push-auth-token-audience={audience}"
        ),
        Some(Sender::Scheduler) => format!(
            "gcloud scheduler jobs update http JOB --location=REGION \
             --oidc-service-account-email={account} --oidc-token-audience={audience}"
        ),
        Some(Sender::Tasks) => format!(
            "gcloud tasks queues update QUEUE --location=LOCATION \
             --http-oidc-service-account-email-override={account} \
             --http-oidc-token-audience-override={audience}"
        ),
        Some(Sender::Eventarc) => format!(
            "gcloud eventarc pipelines update PIPELINE --location=LOCATION \
             --destinations=http_endpoint_uri={endpoint},\
             google_oidc_authentication_service_account={account},\
             google_oidc_authentication_audience={audience}"
        ),
        None => format!(
            "gcloud auth print-identity-token --impersonate-service-account={account} \
             --audiences={audience} --include-email"
        ),
    }
}

/// A value as one word of a POSIX shell, for commands that are shown: quoted if
/// it has to be, since values from outside reach them.
#[must_use]
pub fn shell_word(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use crate::refusal::Expected;
    use crate::request::Target;

    /// The headers of a sender.
    fn marks(sender: Option<Sender>) -> HeaderMap {
        let marks: &[_] = match sender {
            Some(Sender::PubSub) => &[("user-agent", "CloudPubSub-Google")],
            Some(Sender::Tasks) => &[("user-agent", "Google-Cloud-Tasks")],
            Some(Sender::Scheduler) => &[("user-agent", "Google-Cloud-Scheduler")],
            Some(Sender::Eventarc) => &[("ce-specversion", "1.0"), ("ce-type", "t")],
            None => &[],
        };
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        marks.iter().map(header).collect()
    }

    fn mismatch(sender: Option<Sender>, received: &str) -> String {
        let target = Target::parse("orders.example.com", "/push", "POST");
        let audiences = ["https://orders.example.com".to_owned()];
        let refusal = Refusal::from(Reason::AudienceMismatch)
            .expected(Expected::AnyOf(audiences.into()))
            .received(received)
            .caller("pusher@p.iam.gserviceaccount.com")
            .about(&target, &marks(sender));
        refusal.remedy().command.unwrap()
    }

    #[test]
    fn a_wrong_audience_from_pub_sub_is_mended_by_its_push_configuration() {
        assert_eq!(
            mismatch(Some(Sender::PubSub), "https://x"),
            "gcloud pubsub subscriptions modify-push-config SUBSCRIPTION \
             --push-endpoint=https://orders.example.com/push \
             --push-auth-service-account=pusher@p.iam.gserviceaccount.com \
             --push-auth-token-audience=https://orders.example.com"
        );
    }

    #[test]
    fn every_sender_has_its_own_command() {
        let commands = [Some(Sender::Scheduler), Some(Sender::Tasks), None, Some(Sender::Eventarc)]
            .map(|sender| mismatch(sender, "https://x"));
        assert!(commands[0].starts_with("gcloud scheduler jobs update http JOB"));
        assert!(commands[1].starts_with("gcloud tasks queues update QUEUE"));
        assert!(commands[2].starts_with("gcloud auth print-identity-token"));
        assert!(commands[3].starts_with("gcloud eventarc pipelines update PIPELINE"));
    }

    #[test]
    fn a_url_goes_into_a_command_only_whole_and_from_an_authenticated_caller() {
        let command = |authority, path, caller: Option<&str>| {
            let target = Target::parse(authority, path, "POST");
            let refusal = Refusal::from(Reason::AudienceMismatch)
                .expected_text("a")
                .about(&target, &marks(Some(Sender::PubSub)));
            let refusal = match caller {
                Some(caller) => refusal.caller(caller),
                None => refusal,
            };
            refusal.remedy().command.unwrap()
        };
        assert!(
            command("h.example", "/p", Some("a@b"))
                .contains("--push-endpoint=https://h.example/p ")
        );
        for (authority, path, caller) in [
            ("h.example", "/p", None),
            ("h.example", "/p?token=x", Some("a@b")),
            ("h.example:8443", "/p", Some("a@b")),
            ("h.example", "/%70", Some("a@b")),
        ] {
            let command = command(authority, path, caller);
            assert!(command.contains("--push-endpoint=ENDPOINT "), "{command}");
        }
        let command = command("h.example", "/p", Some("subject 104"));
        assert!(
            command.contains("--push-auth-service-account=SERVICE_ACCOUNT_EMAIL "),
            "{command}"
        );
    }

    #[test]
    fn values_from_outside_are_one_word_of_the_shell() {
        assert_eq!(shell_word("a$(reboot)"), "'a$(reboot)'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("https://a.example/b"), "https://a.example/b");
    }
}
