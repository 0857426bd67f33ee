//! What one part of Remint has told, and whether that is all that it should.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use remint_idtoken::{Reason, Teller};
use remint_kept::{keep_output, source};
use remint_tests::shipped::workspace;
use serde_json::Value;

/// What no whole program can be brought to tell here, with the test that has it.
const ELSEWHERE: [(Teller, Reason, &str, &str); 2] = [
    (
        Teller::Filter,
        Reason::CheckUnavailable,
        "filter/src/signature/tests.rs",
        "a_host_whose_function_fails_refuses_everybody_and_says_why",
    ),
    (
        Teller::Doctor,
        Reason::IapInvokerMissing,
        "gateway/src/doctor/checks/tests/mod.rs",
        "behind_iap_it_is_iap_s_service_agent_that_may_call",
    ),
];

/// What the program says, kept for the search of all that tests put out.
pub fn said(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    keep_output(source::REMINT, &output, None);
    output
}

/// The reasons that one part has told so far.
pub struct Told {
    teller: Teller,
    codes: BTreeSet<&'static str>,
}

impl Told {
    pub fn by(teller: Teller) -> Self {
        Self { teller, codes: BTreeSet::new() }
    }

    pub fn add(&mut self, reason: Reason) {
        self.codes.insert(reason.code());
    }

    /// It has told what the catalogue says it tells, and nothing else: a reason
    /// without a test is missed here.
    pub fn hears_all(mut self) {
        for (teller, reason, file, test) in ELSEWHERE {
            let text = std::fs::read_to_string(workspace().join(file)).unwrap();
            assert!(text.contains(&format!("fn {test}()")), "{file} has no test {test}");
            if teller == self.teller {
                self.add(reason);
            }
        }
        let tells = |reason: &Reason| reason.told_by().any(|it| it == self.teller);
        let should: BTreeSet<_> = Reason::ALL.into_iter().filter(tells).map(Reason::code).collect();
        let missing: Vec<_> = should.difference(&self.codes).collect();
        let more: Vec<_> = self.codes.difference(&should).collect();
        let name = self.teller.name();
        assert!(missing.is_empty(), "no test has {name} tell {missing:?}");
        assert!(more.is_empty(), "{name} tells {more:?}, and the catalogue does not say so");
    }
}

/// The reason of that code.
pub fn reason(code: &str) -> Reason {
    let mut all = Reason::ALL.into_iter();
    all.find(|it| it.code() == code).unwrap_or_else(|| panic!("no reason has the code {code:?}"))
}

/// The documentation has an anchor where logs lead to.
pub fn leads_to_the_documentation(docs: &Value, reason: Reason) {
    assert_eq!(*docs, reason.docs());
    let (file, anchor) = docs.as_str().unwrap().split_once('#').unwrap();
    let page = std::fs::read_to_string(workspace().join(file)).unwrap();
    assert!(page.contains(&format!("\n### {anchor}\n")), "{docs}");
}

/// A refusal as the filter and the gateway log it and `remint explain` prints it.
pub fn is_well_told(refusal: &Value, reason: Reason, name: &str) {
    assert_eq!(refusal["reason"], reason.code(), "{name}: {refusal}");
    assert_eq!(refusal["message"], reason.summary(), "{name}: {refusal}");
    assert_eq!(refusal["status"], reason.answer().status(), "{name}: {refusal}");
    leads_to_the_documentation(&refusal["docs"], reason);
    assert!(!refusal["remedy"].as_str().unwrap().is_empty(), "{name}: {refusal}");
    let Some(command) = refusal["command"].as_str() else {
        let sender = refusal["looks_like"].is_string();
        // Nobody but IAP makes assertions; whoever it is may call by another
        // account; senders do not send what is wrong with a token.
        let is_of_iap = ["people", "both"].iter().any(|rule| refusal["rule"] == *rule);
        let has_none = reason.commands().is_empty()
            || is_of_iap
            || reason == Reason::CallerNotAllowed && !sender
            || matches!(reason, Reason::Expired | Reason::Malformed) && sender;
        assert!(has_none, "{name}: {refusal}");
        return;
    };
    let unfilled = unfilled(command);
    let unknown: &[&str] = match refusal["looks_like"].as_str() {
        _ if reason == Reason::SignatureRemoved => &["SERVICE", "REGION"],
        _ if reason == Reason::KeysExpired => &["FILE"],
        Some("Pub/Sub push") => &["SUBSCRIPTION", "ENDPOINT"],
        // Who is not authenticated names no queue in a command.
        Some("Cloud Tasks") if refusal["caller"].is_null() => &["QUEUE", "LOCATION"],
        Some("Cloud Tasks") => &["LOCATION"],
        Some("Cloud Scheduler") => &["JOB", "LOCATION"],
        Some("Eventarc") => &["PIPELINE", "LOCATION", "ENDPOINT"],
        Some(other) => panic!("{other}"),
        // Some rules list no account.
        None => &["SERVICE_ACCOUNT_EMAIL"],
    };
    let more: Vec<_> = unfilled.iter().filter(|word| !unknown.contains(word)).collect();
    assert!(more.is_empty(), "{name}: {more:?} in {command}");
    if refusal["rule"] == "senders" {
        assert!(!unfilled.contains(&"SERVICE_ACCOUNT_EMAIL"), "{name}: {command}");
    }
}

/// The words in capitals for which a command has no value.
pub fn unfilled(command: &str) -> Vec<&str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let is_word = |word: &&str| {
        word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    command.split(|letter: char| !is_part(letter)).filter(is_word).collect()
}

/// None of these tokens stands in a text, nor the signature of one.
pub fn holds_none_of<'t>(text: &str, tokens: impl Iterator<Item = &'t str>) {
    for token in tokens {
        let parts: Vec<&str> = token.rsplit(' ').next().unwrap_or_default().split('.').collect();
        if let [_, claims, signature] = parts[..]
            && token.len() > 100
        {
            assert!(!text.contains(claims), "a token's claims stand in {text}");
            let is_secret = signature.len() > 40;
            assert!(!is_secret || !text.contains(signature), "a signature stands in {text}");
        }
    }
}

/// The value of a figure with these labels, among all in Prometheus form.
pub fn figure(text: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
    let has = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|it| it.starts_with('{'))
            && labels.iter().all(|(name, value)| line.contains(&format!("{name}=\"{value}\"")))
    };
    let value = |line: &str| line.rsplit_once(' ')?.1.parse::<u64>().ok();
    text.lines().filter(has).filter_map(value).sum()
}
