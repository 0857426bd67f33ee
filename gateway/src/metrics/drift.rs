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
    metrics.keys([("google", None)].into_iter());
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
        let parts = ["_bucket", "_sum", "_count"];
        let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
        let name = histogram.filter(|it| figures.contains_key(*it)).unwrap_or(name);
        let labels = rest.split('}').next().unwrap();
        let labels = labels.split(',').filter_map(|it| it.split_once('=')).map(|(name, _)| name);
        let labels = labels.filter(|name| *name != "le");
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

/// The filter's figures as the README has them, with their labels.
fn figures_of_filter() -> BTreeMap<String, BTreeSet<String>> {
    let readme = shipped("README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| `remint_"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let labels = |cell: &str| {
        cell.split('`').filter(|it| !it.is_empty() && *it != ", ").map(str::to_owned).collect()
    };
    cells.map(|cells| (cells[1].trim_matches('`').to_owned(), labels(cells[2]))).collect()
}

#[test]
fn the_readme_s_table_has_every_figure_of_the_filter_and_no_other() {
    let names_in = |file: &str| {
        let text = shipped(file);
        let literals = text.split("\"remint_").skip(1);
        let part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let names =
            literals.map(|rest| format!("remint_{}", rest.split(|it| !part(it)).next().unwrap()));
        names.collect::<BTreeSet<_>>()
    };
    let files = ["filter/src/metrics.rs", "filter/src/worker.rs", "filter/src/waiting.rs"];
    let known: BTreeSet<String> = files.into_iter().flat_map(names_in).collect();
    assert_eq!(figures_of_filter().into_keys().collect::<BTreeSet<_>>(), known);
}

fn rules_of(file: &Value) -> Vec<&Value> {
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|it| it["rules"].as_array().unwrap()).collect()
}

fn alerts() -> Value {
    serde_saphyr::from_str(&shipped("deploy/prometheus/alerts.yaml")).unwrap()
}

#[test]
fn alerts_ask_for_figures_and_labels_that_exist() {
    let mut figures = figures();
    figures.extend(figures_of_filter());
    let file = alerts();
    let rules = rules_of(&file);
    assert!(rules.len() >= 15);
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
        let selected = expr.split(['{', ',']).skip(1).filter_map(|it| it.split_once(['=', '!']));
        let selected = selected
            .map(|(label, _)| label.trim())
            .filter(|it| it.len() > 2 && !it.contains([' ', '(']));
        for label in used.map(|mut words| words.next().unwrap()).chain(by.iter().copied()) {
            let exists = asked.iter().any(|name| figures[name].contains(label));
            assert!(exists, "{alert} uses {label}");
            assert!(by.is_empty() || by.contains(&label), "{alert} sums {label} away");
        }
        for label in selected {
            let exists = asked.iter().any(|name| figures[name].contains(label));
            assert!(exists, "{alert} selects by {label}");
        }
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_leads_to_a_place_that_exists() {
    let anchor = |heading: &str| {
        let kept = |it: &char| it.is_alphanumeric() || "-_ ".contains(*it);
        heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    let file = alerts();
    for rule in rules_of(&file) {
        let alert = &rule["alert"];
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{alert}");
        assert!(rule["annotations"]["summary"].is_string(), "{alert}");
        let runbook = rule["annotations"]["runbook"].as_str().unwrap();
        let (page, place) = runbook.split_once('#').unwrap_or((runbook, ""));
        let text = shipped(page);
        let mut headings = text.lines().filter(|line| line.starts_with('#'));
        let is_there = match place {
            "" => true,
            "{{ $labels.reason }}" => page == "docs/reasons.md",
            place => headings.any(|line| anchor(line.trim_start_matches('#').trim()) == place),
        };
        assert!(is_there, "{alert} leads to {runbook}");
    }
}

#[test]
fn every_alert_is_tried() {
    let file = alerts();
    let tests: Value =
        serde_saphyr::from_str(&shipped("deploy/prometheus/alerts_test.yaml")).unwrap();
    let tests = tests["tests"].as_array().unwrap();
    let tried = tests.iter().flat_map(|it| it["alert_rule_test"].as_array().unwrap());
    let is_firing = |it: &&Value| it["exp_alerts"].as_array().is_some_and(|all| !all.is_empty());
    let fired: BTreeSet<&str> =
        tried.filter(is_firing).map(|it| it["alertname"].as_str().unwrap()).collect();
    for rule in rules_of(&file) {
        let alert = rule["alert"].as_str().unwrap();
        assert!(fired.contains(alert), "{alert} never fires in alerts_test.yaml");
    }
}

/// How figures of one rule are told apart is bounded, whatever callers send.
#[test]
fn nothing_that_a_caller_sends_makes_a_row() {
    let rows = |metrics: &Metrics| metrics.text().lines().filter(|it| !it.starts_with('#')).count();
    let metrics = Metrics::new();
    let counters = metrics.requests("s", "r");
    let before = rows(&metrics);
    for status in 100..1000 {
        counters.answered(http::StatusCode::from_u16(status).unwrap());
    }
    assert_eq!(rows(&metrics), before);
    for reason in Reason::ALL {
        metrics.refused(&reason.into());
        metrics.refused(&reason.into());
    }
    assert_eq!(rows(&metrics), before + Reason::ALL.len());
}
