//! What is measured, what the documentation says of it, and what alerts ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use remint_idtoken::Reason;
use serde_json::Value;

use super::Metrics;

fn shipped(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(file)).unwrap()
}

/// The names in a text that begin as all figures do.
fn names(text: &str) -> BTreeSet<String> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !part(letter));
    words.filter(|word| word.starts_with("remint_")).map(str::to_owned).collect()
}

/// All figures, with their labels where there are some. A table without a row is
/// not told, so that each gets one.
fn figures() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new();
    metrics.refused(&Reason::NoRule.into());
    metrics.reported(&Reason::NoRule.into());
    metrics.reloaded(true);
    metrics.keys_of("google", None);
    drop((metrics.requests("s", "r"), metrics.region("s", "r"), metrics.mints("s", "r")));
    drop((metrics.retries("s"), metrics.service("s")));
    let text = metrics.text();
    let mut figures = BTreeMap::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            figures.entry(name).or_insert_with(BTreeSet::new);
            continue;
        }
        let Some((name, rest)) = line.split_once('{') else { continue };
        let labels = rest.split('}').next().unwrap();
        let labels = labels.split(',').filter_map(|it| it.split_once('=')).map(|(name, _)| name);
        let of: &mut BTreeSet<String> = figures.entry(name.to_owned()).or_default();
        of.extend(labels.map(str::to_owned));
    }
    figures
}

#[test]
fn the_documentation_s_table_has_every_figure_and_no_other() {
    let known: BTreeSet<String> = figures().into_keys().collect();
    let guide = shipped("docs/gateway.md");
    let table: String =
        guide.lines().filter(|line| line.starts_with("| `remint_")).collect::<Vec<_>>().join("\n");
    assert_eq!(names(&table), known);
}

#[test]
fn alerts_ask_for_figures_and_labels_that_exist() {
    let figures = figures();
    let file: Value = serde_saphyr::from_str(&shipped("deploy/prometheus/alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|it| it["rules"].as_array().unwrap()).collect();
    assert!(rules.len() >= 8);
    for rule in rules {
        let (alert, expr) = (&rule["alert"], rule["expr"].as_str().unwrap());
        let asked = names(expr);
        assert!(!asked.is_empty(), "{alert}");
        for name in &asked {
            assert!(figures.contains_key(name), "{alert} asks for {name}");
        }
        let by = expr.split("by (").nth(1).map(|rest| rest.split(')').next().unwrap());
        let by: Vec<&str> =
            by.unwrap_or_default().split(", ").filter(|it| !it.is_empty()).collect();
        let told = rule["annotations"].to_string();
        let used = told.split("$labels.").skip(1);
        let used = used.map(|rest| rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '_'));
        for label in used.map(|mut words| words.next().unwrap()).chain(by.iter().copied()) {
            let exists = asked.iter().any(|name| figures[name].contains(label));
            assert!(exists, "{alert} uses {label}");
            assert!(by.is_empty() || by.contains(&label), "{alert} sums {label} away");
        }
    }
}
