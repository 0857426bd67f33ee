//! `remint explain`: the program, for each request of the table as a curl command.

use std::process::{Command, Output};

use remint_idtoken::Teller;
use remint_tests::shipped::built;
use serde_json::{Value, json};

use crate::cases::{Case, Expected, World};
use crate::told::{Told, holds_none_of, is_well_told, reason, said};
use crate::{google, outcome};

/// The request as a curl command.
fn curl(case: &Case) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let url = quoted(&format!("https://{}{}", case.host, case.path));
    let header =
        |(name, value): &(&str, String)| format!("-H {}", quoted(&format!("{name}: {value}")));
    let headers: Vec<_> = case.headers.iter().map(header).collect();
    format!("curl -A test -X {} {url} {}", case.method, headers.join(" "))
}

struct Explainer {
    folder: tempfile::TempDir,
}

impl Explainer {
    fn new(world: &World<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let this = Self { folder };
        this.write("policy.yaml", &json!({"policy": world.policy()}).to_string());
        this.write("google.json", &world.google.jwks().to_string());
        this
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// What it prints about a request, and how it ends.
    fn explain(&self, case: &Case, has_keys: bool, arguments: &[&str]) -> Output {
        self.write("request", &curl(case));
        let file = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(built("remint").unwrap());
        command.arg("explain").arg(file("policy.yaml"));
        if has_keys {
            command.arg("--keys").arg(self.folder.path());
        }
        command.arg("curl").args(arguments).arg(file("request"));
        let output = said(&mut command);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(failed.is_empty(), "{}: {failed}", case.name);
        output
    }
}

fn text(output: &Output, case: &Case) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    holds_none_of(&text, case.headers.iter().map(|(_, value)| value.as_str()));
    text
}

#[test]
fn it_decides_as_the_table_says_and_tells_every_reason_with_its_remedy_and_no_token() {
    let google = google();
    let world = World::new(&google);
    let explainer = Explainer::new(&world);
    let mut told = Told::by(Teller::Explain);
    for case in crate::cases::all(&world) {
        // A URL can't be written as some of them are sent.
        if case.path.contains(|letter: char| !letter.is_ascii_graphic()) {
            continue;
        }
        let output = explainer.explain(&case, true, &["--json"]);
        let json: Value = serde_json::from_str(&text(&output, &case)).unwrap();
        let Expected::Refuse(code, rule) = case.expected else {
            assert_eq!((&json["admitted"], output.status.code()), (&json!(true), Some(0)));
            continue;
        };
        assert_eq!(outcome(&json["refusal"]), (code, rule), "{}: {json}", case.name);
        assert_eq!(output.status.code(), Some(1), "{}", case.name);
        is_well_told(&json["refusal"], reason(code), &case.name);
        told.add(reason(code));
        let words = text(&explainer.explain(&case, true, &[]), &case);
        let status = reason(code).answer().status();
        assert!(words.contains(&format!("REFUSED with {status}: {code}, ")), "{words}");
        let command = json["refusal"]["command"].as_str().unwrap_or_default();
        assert!(words.contains(command), "{command}\n{words}");
        assert!(words.ends_with(&format!("remint reasons {code}\n")), "{words}");
    }
    let all = crate::cases::all(&world);
    let good = all.iter().find(|case| matches!(case.expected, Expected::Pass("verified", _)));
    let output = explainer.explain(good.unwrap(), false, &["--json"]);
    let json: Value = serde_json::from_str(&text(&output, good.unwrap())).unwrap();
    let code = json["refusal"]["reason"].as_str().unwrap();
    is_well_told(&json["refusal"], reason(code), "without keys");
    told.add(reason(code));
    told.hears_all();
}

#[test]
fn what_is_known_of_each_reason_is_printed_with_those_who_tell_it() {
    for reason in remint_idtoken::Reason::ALL {
        let mut command = Command::new(built("remint").unwrap());
        let output = said(command.args(["reasons", reason.code()]));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(&format!("### {}\n", reason.code())), "{text}");
        for teller in reason.told_by() {
            assert!(text.contains(teller.name()), "{}: {text}", teller.name());
        }
        for command in reason.commands() {
            assert!(text.contains(&command), "{command}\n{text}");
        }
    }
}
