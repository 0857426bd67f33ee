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

impl Reason {
    /// The commands that mend it, each once: what [`Refusal::remedy`] fills in
    /// stands in capitals. None for what takes no command, and for what is not
    /// [found out here](Reason::is_of_verification).
    #[must_use]
    pub fn commands(self) -> Vec<String> {
        let senders = Sender::ALL.map(Some).into_iter().chain([None]);
        let mut commands: Vec<String> = Vec::new();
        for sender in senders {
            let refusal = Refusal::from(self).sent_by(sender);
            commands.extend(command(&refusal).filter(|it| !commands.contains(it)));
        }
        commands
    }
}

const PUSH_ADVICE: &str = "set the sender's audience to an accepted one, or add the received one \
    to the rule (the command replaces the whole push configuration: repeat --push-no-wrapper if \
    the subscription has it)";

/// Cloud Run, "Disable the Cloud Run Invoker IAM check". Which service runs this
/// is not told by a token that nobody can verify.
const INVOKER_CHECK_OFF: &str =
    "gcloud run services update SERVICE --region=REGION --no-invoker-iam-check";
/// The times of Google and of this machine.
const CLOCKS: &str =
    "curl --silent --head https://www.googleapis.com | grep --ignore-case ^date; date --utc";

fn command(refusal: &Refusal) -> Option<String> {
    let sender = refusal.sender();
    match refusal.reason {
        // It is a person's, whatever the request looks like.
        Reason::AudienceIsGcloudClient => {
            sender_command(&refusal.clone().sent_by(None), wanted_account(refusal))
        }
        reason if reason.is_about_audience() => sender_command(refusal, refusal.caller_name()),
        Reason::TokenMissing => sender_command(refusal, wanted_account(refusal)),
        Reason::CallerNotAllowed => sender.and(sender_command(refusal, wanted_account(refusal))),
        // Google's senders send their account's verified address and fresh
        // tokens: these come from somebody else.
        Reason::Malformed | Reason::Expired | Reason::EmailUnverified if sender.is_none() => {
            sender_command(refusal, wanted_account(refusal))
        }
        Reason::KeysUnavailable | Reason::KeyUnknown => {
            let url = shell_word(refusal.keys_url().unwrap_or("JWKS_URI"));
            Some(format!("curl --silent --show-error --include {url}"))
        }
        Reason::KeysExpired => Some("remint plugin-config FILE --output=plugin.json".to_owned()),
        Reason::SignatureRemoved => Some(INVOKER_CHECK_OFF.to_owned()),
        Reason::NotYetValid => Some(CLOCKS.to_owned()),
        _ => None,
    }
}

/// An account that the rule takes: one that it has for this sender before others,
/// and any if nobody knows who sends. Accounts of a sender are listed with the
/// sender's name behind them; domains and the like are no accounts.
fn wanted_account(refusal: &Refusal) -> Option<&str> {
    let accounts = || {
        let listed = refusal.wanted_callers().iter();
        let parts = listed.map(|it| it.split_once(' ').unwrap_or((it, "")));
        parts.filter(|(account, _)| account.contains('@') && !account.starts_with('@'))
    };
    let sender = refusal.sender();
    let is_own = |of: &str| sender.is_some_and(|it| of.contains(it.name()));
    let own = accounts().find(|(_, of)| is_own(of));
    let plain = || accounts().find(|(_, of)| of.is_empty());
    let any = || accounts().next().filter(|_| sender.is_none());
    let (account, _) = own.or_else(plain).or_else(any)?;
    Some(account)
}

/// The command that gives a sender an account and an audience. Without a
/// guess who the sender is, one that fetches such a token by hand. None where
/// nobody can choose: IAP's assertions are made by IAP alone.
fn sender_command(refusal: &Refusal, account: Option<&str>) -> Option<String> {
    let audience = refusal.wanted_audiences().first().map(String::as_str);
    if audience.is_some_and(|it| it.starts_with("/projects/")) {
        return None;
    }
    let endpoint = shell_word(refusal.url_for_command().unwrap_or("ENDPOINT"));
    // Nobody can impersonate a person.
    let is_usable = |account: &&str| match refusal.sender() {
        Some(_) => account.contains('@'),
        None => is_service_account(account),
    };
    let account = account.filter(is_usable);
    let account = shell_word(account.unwrap_or("SERVICE_ACCOUNT_EMAIL"));
    let audience = shell_word(audience.unwrap_or("AUDIENCE"));
    let source = |word| shell_word(refusal.source_for_command().unwrap_or(word));
    Some(match refusal.sender() {
        Some(Sender::PubSub) => format!(
            "gcloud pubsub subscriptions modify-push-config {} \
             --push-endpoint={endpoint} --push-auth-service-account={account} \
             --push-auth-token-audience={audience}",
            source("SUBSCRIPTION")
        ),
        Some(Sender::Scheduler) => format!(
            "gcloud scheduler jobs update http {} --location=LOCATION \
             --oidc-service-account-email={account} --oidc-token-audience={audience}",
            source("JOB")
        ),
        Some(Sender::Tasks) => format!(
            "gcloud tasks queues update {} --location=LOCATION \
             --http-oidc-service-account-email-override={account} \
             --http-oidc-token-audience-override={audience}",
            source("QUEUE")
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
    })
}

/// Whether that is a service account's address (IAM, "Types of service accounts").
#[must_use]
pub fn is_service_account(email: &str) -> bool {
    email.ends_with(".gserviceaccount.com")
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
    use std::sync::Arc;

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
        let refusal = Refusal::from(Reason::AudienceMismatch)
            .wanting(&["https://orders.example.com".to_owned()].into(), &Arc::default())
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
    fn a_rule_s_own_account_and_audience_go_into_the_command() {
        const ANY: &str = "any@p.iam.gserviceaccount.com";
        let of = |sender, callers: &[&str], reason: Reason| {
            let callers: Arc<[String]> = callers.iter().map(|&it| it.to_owned()).collect();
            let refusal =
                Refusal::from(reason).wanting(&["https://o.example".to_owned()].into(), &callers);
            refusal.sent_by(sender).remedy().command.unwrap_or_default()
        };
        let callers = ["addresses @example.com", ANY, "jobs@p (Cloud Scheduler)", "subject 104"];
        assert_eq!(
            of(Some(Sender::Scheduler), &callers, Reason::TokenMissing),
            "gcloud scheduler jobs update http JOB --location=LOCATION \
             --oidc-service-account-email=jobs@p --oidc-token-audience=https://o.example"
        );
        let by_hand = |account: &str| {
            format!(
                "gcloud auth print-identity-token --impersonate-service-account={account} \
                 --audiences=https://o.example --include-email"
            )
        };
        for reason in [Reason::TokenMissing, Reason::Expired, Reason::EmailUnverified] {
            assert_eq!(of(None, &callers, reason), by_hand(ANY));
            let person = of(None, &["boss@example.com"], reason);
            assert_eq!(person, by_hand("SERVICE_ACCOUNT_EMAIL"), "nobody can impersonate a person");
        }
        assert_eq!(of(None, &callers, Reason::CallerNotAllowed), "", "whoever it is");
        assert!(of(None, &["subject 1"], Reason::TokenMissing).contains("=SERVICE_ACCOUNT_EMAIL "));
    }

    #[test]
    fn a_sender_is_named_if_its_caller_is_known_and_the_name_is_one_of_google_s() {
        let of = |name: &str, caller: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("x-cloudtasks-queuename", HeaderValue::from_str(name).unwrap());
            let target = Target::parse("h.example", "/p", "POST");
            let refusal = Refusal::from(Reason::AudienceMismatch).about(&target, &headers);
            let refusal = caller.map_or(refusal.clone(), |caller| refusal.caller(caller));
            let command = refusal.remedy().command.unwrap();
            command.split(' ').nth(4).unwrap().to_owned()
        };
        assert_eq!(of("orders-eu", Some("a@b")), "orders-eu");
        for (name, caller) in [("orders-eu", None), ("x;reboot", Some("a@b")), ("-q", Some("a@b"))]
        {
            assert_eq!(of(name, caller), "QUEUE", "{name}");
        }
    }

    #[test]
    fn nobody_is_told_to_mint_what_iap_alone_can() {
        let audiences = ["/projects/1/global/backendServices/2".to_owned()].into();
        let refusal = Refusal::from(Reason::TokenMissing).wanting(&audiences, &Arc::default());
        assert_eq!(refusal.remedy().command, None);
    }

    #[test]
    fn keys_are_fetched_by_hand_from_where_they_should_be() {
        let url = crate::policy::Issuer::google();
        let refusal = Refusal::from(Reason::KeysUnavailable).keys_at(url.key_url());
        assert_eq!(
            refusal.remedy().command.unwrap(),
            "curl --silent --show-error --include https://www.googleapis.com/oauth2/v3/certs"
        );
    }

    #[test]
    fn what_takes_a_change_of_the_policy_or_is_forged_has_no_command() {
        let without: Vec<_> = Reason::ALL
            .into_iter()
            .filter(|it| it.is_of_verification() && it.commands().is_empty())
            .map(Reason::code)
            .collect();
        assert_eq!(
            without,
            [
                "target_unsafe",
                "no_rule",
                "token_twice",
                "alg_not_allowed",
                "iss_unknown",
                "lifetime_too_long",
                "sig_bad",
                "check_unavailable",
                "claim_mismatch",
            ]
        );
    }

    #[test]
    fn values_from_outside_are_one_word_of_the_shell() {
        assert_eq!(shell_word("a$(reboot)"), "'a$(reboot)'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("https://a.example/b"), "https://a.example/b");
    }
}
