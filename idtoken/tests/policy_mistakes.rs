//! Each typical mistake in a policy is reported where it is.

use remint_idtoken::Policy;

fn mistakes(policy: &str) -> Vec<String> {
    match Policy::from_json(policy) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// A rule that is right, with one of its members changed or left out.
fn rule(name: &str, value: Option<&str>) -> String {
    let mut members = vec![
        ("name", r#""r""#),
        ("match", r#"{"hosts": ["h.example"]}"#),
        ("audiences", r#"["https://h.example"]"#),
        ("callers", r#"{"anyone": true}"#),
    ];
    members.retain(|(member, _)| *member != name);
    members.extend(value.map(|value| (name, value)));
    let members: Vec<String> = members.iter().map(|(n, v)| format!("{n:?}: {v}")).collect();
    format!("{{{}}}", members.join(", "))
}

fn rule_mistakes(name: &str, value: Option<&str>) -> Vec<String> {
    mistakes(&format!(r#"{{"rules": [{}]}}"#, rule(name, value)))
}

/// A member of a rule, its wrong value, and what is said about it.
const RULE_MISTAKES: &[(&str, &str, &str)] = &[
    ("name", r#""""#, "rules[0].name: must not be empty"),
    ("name", "7", "rules[0].name: expected a text, found a number"),
    ("audience", r#"["a"]"#, "rules[0].audience: is not a setting; did you mean \"audiences\"?"),
    ("audiences", "[]", "rules[0].audiences: must not be empty"),
    ("audiences", r#""https://a""#, "rules[0].audiences: expected a list, found a text"),
    (
        "audiences",
        r#"["https://*.example"]"#,
        "rules[0].audiences[0]: \"https://*.example\" is no audience: it is compared letter by letter",
    ),
    (
        "match",
        r#"{"hosts": ["H.example:443"]}"#,
        "rules[0].match.hosts[0]: write the host without port and in lower case: h.example",
    ),
    (
        "match",
        r#"{"hosts": ["https://h.example/"]}"#,
        "rules[0].match.hosts[0]: \"https://h.example/\" is no host name",
    ),
    (
        "match",
        r#"{"paths": ["/push"]}"#,
        "rules[0].match.paths[0]: expected a mapping, found a text",
    ),
    (
        "match",
        r#"{"paths": [{"prefix": "push"}]}"#,
        "rules[0].match.paths[0].prefix: \"push\" is no path: the path is not one that begins with a slash, in ASCII",
    ),
    (
        "match",
        r#"{"paths": [{"prefix": "/a/../b"}]}"#,
        "rules[0].match.paths[0].prefix: \"/a/../b\" is no path: the path holds a dot segment",
    ),
    (
        "match",
        r#"{"paths": [{"prefix": "/push?x=1"}]}"#,
        "rules[0].match.paths[0].prefix: \"/push?x=1\" is no path: rules see neither queries nor parameters",
    ),
    (
        "match",
        r#"{"methods": ["post"]}"#,
        "rules[0].match.methods[0]: \"post\" is no method: write it in capitals, as in GET",
    ),
    ("callers", "{}", "rules[0].callers: admits nobody: list \"emails\", or say \"anyone: true\""),
    (
        "callers",
        r#"{"emails": ["@p.example"]}"#,
        "rules[0].callers.emails[0]: \"@p.example\" is no address of an account",
    ),
    (
        "callers",
        r#"{"anyone": true, "emails": ["a@b"]}"#,
        "rules[0].callers: takes \"anyone: true\" or lists, not both",
    ),
    (
        "match",
        r#"{"paths": [{"prefix": "/a", "exact": "/a"}]}"#,
        "rules[0].match.paths[0]: takes one of \"exact\", \"prefix\" and \"template\"",
    ),
    (
        "match",
        r#"{"paths": [{"template": "/v1/a{id}"}]}"#,
        "rules[0].match.paths[0].template: \"/v1/a{id}\" is no template: braces stand around a whole segment, as {id}",
    ),
    (
        "match",
        r#"{"hosts": ["*example.com"]}"#,
        "rules[0].match.hosts[0]: \"*example.com\" is no host name",
    ),
    (
        "audience_match",
        r#""host""#,
        "rules[0].audience_match: \"host\" is not one of: exact, origin, ignore_trailing_slash",
    ),
    (
        "callers",
        r#"{"projects": ["My Project"]}"#,
        "rules[0].callers.projects[0]: \"My Project\" is no project id",
    ),
    (
        "callers",
        r#"{"email_domains": ["@example.com"]}"#,
        "rules[0].callers.email_domains[0]: \"@example.com\" is no domain: write it as example.com",
    ),
    (
        "claims",
        r#"{"level": 1.5}"#,
        "rules[0].claims.level: is no whole number that a claim can be compared with",
    ),
    ("issuers", r#"["gogle"]"#, "rules[0].issuers[0]: \"gogle\" is not one of: google"),
];

#[test]
fn the_rule_of_these_tests_is_right() {
    assert_eq!(rule_mistakes("issuers", None), Vec::<String>::new());
}

#[test]
fn a_rule_must_say_everything_that_it_asks_for() {
    for name in ["name", "match", "audiences", "callers"] {
        assert_eq!(rule_mistakes(name, None), [format!("rules[0]: \"{name}\" is missing")]);
    }
}

#[test]
fn each_mistake_in_a_rule_is_named_with_its_path() {
    for (name, value, expected) in RULE_MISTAKES {
        assert_eq!(rule_mistakes(name, Some(value)), [*expected], "{name}: {value}");
    }
}

#[test]
fn each_mistake_in_an_issuer_is_named_with_its_path() {
    let rule = rule("issuers", Some(r#"["own"]"#));
    let with_issuer =
        |issuer: &str| mistakes(&format!(r#"{{"issuers": [{issuer}], "rules": [{rule}]}}"#));
    assert_eq!(
        with_issuer(
            r#"{"name": "own", "issuer": "i", "jwks_uri": "ftp://k", "algorithms": ["HS256"]}"#
        ),
        [
            "issuers[0].jwks_uri: \"ftp://k\" is no URL of a key set: expected https://HOST/PATH",
            "issuers[0].algorithms[0]: \"HS256\" is not one of: RS256, ES256",
        ]
    );
    assert_eq!(
        with_issuer(r#"{"preset": "gogle"}"#),
        ["issuers[0].preset: \"gogle\" is not one of: google, iap"]
    );
}

#[test]
fn several_mistakes_are_reported_together() {
    let found = mistakes(
        r#"{"clock_skew": 30, "max_lifetime": "1 fortnight", "rules": [
            {"name": "a", "match": {}, "audiences": ["x"], "callers": {"anyone": true}},
            {"name": "a", "match": {}, "audiences": ["x y"], "callers": {"anyone": false}}
        ], "extra": 1}"#,
    );
    let paths: Vec<_> = found.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        paths,
        ["clock_skew", "max_lifetime", "rules[1].audiences[0]", "rules[1].callers", "extra"]
    );
}

#[test]
fn names_and_issuers_must_tell_things_apart() {
    let twice = format!(r#"{{"rules": [{0}, {0}]}}"#, rule("issuers", None));
    assert_eq!(mistakes(&twice), ["rules: the name \"r\" occurs twice"]);
    let issuers = r#"[{"preset": "google"}, {"name": "g", "issuer": "accounts.google.com",
        "jwks_uri": "https://k.example/", "algorithms": ["RS256"]}]"#;
    let found = mistakes(&format!(
        r#"{{"issuers": {issuers}, "rules": [{}]}}"#,
        rule("issuers", Some(r#"["g"]"#))
    ));
    assert_eq!(found, ["issuers: the issuer \"accounts.google.com\" occurs twice"]);
}

#[test]
fn times_have_bounds_outside_of_which_nothing_would_work_or_everything_would() {
    let found = mistakes(&format!(
        r#"{{"clock_skew": "10years", "max_lifetime": "0s", "rules": [{}]}}"#,
        rule("issuers", None)
    ));
    assert_eq!(
        found,
        [
            "clock_skew: 10years is out of bounds: from 0s to 5m",
            "max_lifetime: 0s is out of bounds: from 1m to 7days",
        ]
    );
}

#[test]
fn a_rule_that_is_never_reached_is_a_mistake() {
    let all = rule("match", Some("{}"));
    let found = mistakes(&format!(
        r#"{{"rules": [{}, {}]}}"#,
        all.replace("\"r\"", "\"all\""),
        rule("issuers", None)
    ));
    assert_eq!(
        found,
        ["rules: the rule \"r\" is never reached: \"all\" before it is for every request"]
    );
}

#[test]
fn with_several_issuers_each_rule_names_those_that_it_means() {
    let issuers = r#"[{"preset": "google"}, {"name": "own", "issuer": "i",
        "jwks_uri": "https://k.example/", "algorithms": ["RS256"]}]"#;
    let found =
        mistakes(&format!(r#"{{"issuers": {issuers}, "rules": [{}]}}"#, rule("issuers", None)));
    assert_eq!(found, ["rules[0]: \"issuers\" is missing: name those that this rule accepts"]);
}

#[test]
fn what_is_not_json_is_one_mistake() {
    assert_eq!(mistakes("{").len(), 1);
    assert_eq!(mistakes("[]"), ["expected a mapping, found a list"]);
}

#[test]
fn an_accepted_audience_must_be_an_origin_where_origins_are_compared() {
    let with_path = rule("audience_match", Some("\"origin\""))
        .replace("https://h.example\"]", "https://h.example/push\"]");
    assert_eq!(
        mistakes(&format!(r#"{{"rules": [{with_path}]}}"#)),
        ["rules[0].audiences[0]: \"https://h.example/push\" is no origin, which \
          \"audience_match: origin\" asks for: write it as https://HOST"]
    );
}
