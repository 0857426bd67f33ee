//! What the emulator's guide says of it.

use std::collections::BTreeSet;
use std::path::Path;

use remint_emulator::Server;
use remint_emulator::issuer::testing::Flaw;
use remint_tests::shipped::workspace;

/// Where tests are that the guide may name.
const WITH_TESTS: [&str; 4] = ["emulator/src", "emulator/tests", "tests/tests", "gateway/tests"];

/// A line of the guide's tables of behaviours.
struct Behaviour<'g> {
    what: &'g str,
    source: &'g str,
    tests: Vec<&'g str>,
}

fn guide() -> String {
    std::fs::read_to_string(workspace().join("docs/emulator.md")).unwrap()
}

fn behaviours(guide: &str) -> Vec<Behaviour<'_>> {
    let (_, section) = guide.split_once("\n## What it does as Google does\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let is_head = |row: &str| row.starts_with("| behaviour |") || row.starts_with("|---");
    rows.filter(|row| !is_head(row)).map(behaviour).collect()
}

fn behaviour(row: &str) -> Behaviour<'_> {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [what, source, tests] = cells[..] else { panic!("not three cells: {row}") };
    let quoted = |it: &'_ str| it.starts_with('`') && it.ends_with('`');
    let tests: Vec<_> = tests.split(", ").inspect(|it| assert!(quoted(it), "{row}")).collect();
    Behaviour { what, source, tests: tests.iter().map(|it| it.trim_matches('`')).collect() }
}

/// The names of all functions in a folder that are marked as tests.
fn collect_tests(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_tests(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            names.extend(tests_in(&std::fs::read_to_string(path).unwrap()));
        }
    }
}

fn tests_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let Some((_, rest)) = line.split_once("fn ") else { continue };
        if std::mem::take(&mut is_test) {
            names.push(rest.split('(').next().unwrap_or_default().to_owned());
        }
    }
    names
}

#[test]
fn every_behaviour_has_a_source_or_is_unsure_and_is_held_by_tests_that_exist() {
    let mut tests = BTreeSet::new();
    for folder in WITH_TESTS {
        collect_tests(&workspace().join(folder), &mut tests);
    }
    let guide = guide();
    let behaviours = behaviours(&guide);
    assert!(behaviours.len() > 60, "{} lines", behaviours.len());
    for Behaviour { what, source, tests: named } in behaviours {
        assert!(!what.is_empty() && !named.is_empty(), "{what}");
        assert!(!source.is_empty() || what.starts_with("**unsure**"), "no source: {what}");
        for name in named {
            assert!(tests.contains(name), "{what}: no test {name}");
        }
    }
}

#[test]
fn tests_are_told_from_other_functions() {
    let source = "fn a() {}\n#[test]\nfn b() {}\n  #[tokio::test(x)]\n  // why\n  async fn c() {}\nfn d() {}";
    assert_eq!(tests_in(source), ["b", "c"]);
}

#[test]
fn every_flaw_and_every_server_that_fails_is_named() {
    let flaws = Flaw::ALL.map(|(name, _)| name);
    let servers = Server::ALL.map(|(name, _)| name);
    let guide = guide();
    for name in flaws.iter().chain(&servers) {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}
