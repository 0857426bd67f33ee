//! The figures as a page in Markdown.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::figures::{Comparison, Summary};
use crate::machine::Machine;
use crate::run::Times;
use crate::setup::{CACHED, OPEN, OURS, Table, UNCACHED};
use crate::tokens::Load;
use crate::wrk::CONNECTIONS;

/// One line of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The setup's name.
    pub setup: &'static str,
    /// The setup's table.
    pub table: Table,
    /// What it was put under.
    pub load: Load,
    /// The load in words.
    pub tokens: String,
    /// The status of each answer.
    pub status: u16,
    /// What was measured.
    pub summary: Summary,
}

/// How much memory Envoy had.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The setup's name.
    pub setup: &'static str,
    /// The median, in bytes.
    pub bytes: f64,
}

/// Everything that the page tells.
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// The command that did it.
    pub command: String,
    /// How long.
    pub times: Times,
    /// All rates.
    pub rows: Vec<Row>,
    /// The memory of the setups that are compared.
    pub memory: Vec<Memory>,
    /// The size of the filter's module.
    pub module_bytes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_comparison(f)?;
        self.write_refusals(f)?;
        self.write_growth(f)?;
        self.write_sizes(f)
    }
}

impl Report {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_title(f, "How fast the filter is", &self.machine, &self.command)?;
        let [rounds, measured, warm_up] = self.times.in_words();
        write!(
            f,
            "One Envoy with one worker had a processor to itself; wrk (one thread,\n\
             {CONNECTIONS} keep-alive connections) and the HTTP server behind Envoy had another.\n\
             Each request is a `POST` of 200 bytes with the headers of a Pub/Sub push,\n\
             over HTTP/1.1, through the shipped configuration without the access log;\n\
             tokens are RS256 with a key of 2,048 bits, distinct ones sent in turn. All\n\
             setups took turns for {rounds}: a fresh Envoy, then each load for\n\
             {measured} after {warm_up} of warm-up. Figures are medians of the rounds. CPU is the\n\
             processor time that Envoy takes for a request; ratios are of requests per\n\
             second and, in brackets, of requests per second of that time, which other\n\
             programs on the machine change less. Every answer was checked to have the\n\
             status it must.\n",
        )
    }

    fn write_comparison(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\n## The same requests through different filters\n\n")?;
        let heads = ["setup", "tokens", "requests/s", "lowest to highest"];
        let ratios = ["to `jwt_authn`, no cache", "to `jwt_authn`, cache", "to no verification"];
        write_heads(f, 2, &[&heads[..], &ratios, &LATENCY].concat())?;
        for load in Load::GOOD {
            for row in self.of(Table::Comparison).filter(|row| row.load == load) {
                let bases = [UNCACHED, CACHED, OPEN].map(|setup| self.summary(setup, load));
                write!(f, "| {} | {}", row.setup, row.tokens)?;
                row.write_figures(f, &bases)?;
            }
        }
        Ok(())
    }

    fn write_refusals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\n## Refusals\n\n\
             These requests, and the accepted ones that they are compared with, have no body:\n\
             after an answer of its own to a request with one Envoy closes the connection,\n\
             whoever refuses it. All tokens are distinct.\n\n",
        )?;
        let heads = ["setup", "request", "status", "requests/s", "lowest to highest"];
        let ratio = ["to its acceptance"];
        write_heads(f, 3, &[&heads[..], &ratio, &LATENCY].concat())?;
        let is_shown = |row: &&Row| row.status != 200 || row.load == Load::Bodiless;
        for row in self.of(Table::Comparison).filter(is_shown) {
            write!(f, "| {} | {} | {}", row.setup, row.tokens, row.status)?;
            row.write_figures(f, &[self.summary(row.setup, Load::Bodiless)])?;
        }
        f.write_str("\nOurs also writes why to Envoy's log, up to 20 lines in a second.\n")
    }

    fn write_growth(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\n## Larger policies and key sets\n\n\
             Remint as above has 3 audiences, 1 rule and 2 keys; each setup here has another\n\
             number of one of them. The rule that matches, the audience of the tokens, and\n\
             the key that signed are the last.\n\n",
        )?;
        let heads = ["with", "tokens", "requests/s", "lowest to highest", "to the shipped policy"];
        write_heads(f, 2, &[&heads[..], &LATENCY].concat())?;
        for row in self.of(Table::Growth) {
            write!(f, "| {} | {}", row.setup, row.tokens)?;
            row.write_figures(f, &[self.summary(OURS, row.load)])?;
        }
        Ok(())
    }

    fn write_sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = grouped(&self.module_bytes.to_string());
        write!(
            f,
            "\n## Size and memory\n\n\
             The module has {bytes} bytes. Envoy's resident memory with one worker, after all\n\
             loads, which includes its wasm runtime (no counter of Envoy's tells that alone):\n\n"
        )?;
        write_heads(f, 1, &["setup", "MiB", "more than without verification"])?;
        let open = self.memory.iter().find(|it| it.setup == OPEN).map_or(0.0, |it| it.bytes);
        for Memory { setup, bytes } in &self.memory {
            let [all, more] = [*bytes, bytes - open].map(|bytes| bytes / f64::from(1 << 20));
            writeln!(f, "| {setup} | {all:.1} | {more:.1} |")?;
        }
        Ok(())
    }

    fn of(&self, table: Table) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.table == table)
    }

    /// What was measured of a setup of the comparison.
    fn summary(&self, setup: &str, load: Load) -> Option<&Summary> {
        let is_it = |row: &&Row| row.setup == setup && row.load == load;
        self.of(Table::Comparison).find(is_it).map(|row| &row.summary)
    }
}

/// Where the page is, unless told otherwise.
#[must_use]
pub fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("filter.md")
}

/// The heads of the columns that each table of rates ends with.
pub(crate) const LATENCY: [&str; 3] = ["p50 ms", "p99 ms", "CPU µs"];

impl Row {
    /// The cells after those that say what was measured.
    fn write_figures(&self, f: &mut fmt::Formatter<'_>, bases: &[Option<&Summary>]) -> fmt::Result {
        write_figures(f, &self.summary, bases)
    }
}

/// The cells of a summary, with its ratios to these bases.
pub(crate) fn write_figures(
    f: &mut fmt::Formatter<'_>,
    summary: &Summary,
    bases: &[Option<&Summary>],
) -> fmt::Result {
    let Summary { median, lowest, highest } = *summary;
    let [rate, lowest, highest] =
        [median.per_second, lowest, highest].map(|rate| grouped(&format!("{rate:.0}")));
    write!(f, " | {rate} | {lowest} to {highest}")?;
    for base in bases {
        match base.and_then(|base| Comparison::of(summary, base)) {
            Some(Comparison { rate, cpu }) => write!(f, " | {rate:.2} ({cpu:.2})")?,
            None => f.write_str(" | ")?,
        }
    }
    writeln!(f, " | {:.2} | {:.2} | {:.1} |", median.p50_ms, median.p99_ms, median.cpu_us)
}

/// The page's title, and where its figures are from.
pub(crate) fn write_title(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    machine: &Machine,
    command: &str,
) -> fmt::Result {
    let Machine { date, processor, processors, envoy, commit } = machine;
    write!(
        f,
        "# {title}\n\n\
         {date}, {processor}, {processors} processors, Envoy {envoy}, commit {commit}.\n\
         Made by `{command}`.\n\n"
    )
}

/// The first columns hold text, the others figures.
pub(crate) fn write_heads(f: &mut fmt::Formatter<'_>, texts: usize, heads: &[&str]) -> fmt::Result {
    writeln!(f, "| {} |", heads.join(" | "))?;
    let lines = (0..heads.len()).map(|place| if place < texts { "---" } else { "---:" });
    writeln!(f, "|{}|", lines.collect::<Vec<_>>().join("|"))
}

/// Digits in groups of three.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        let _ = text.write_char(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::Sample;

    fn row(setup: &'static str, table: Table, load: Load, status: u16, per_second: f64) -> Row {
        let cpu_us = 800_000.0 / per_second;
        let median = Sample { per_second, p50_ms: 1.5, p99_ms: 20.25, cpu_us };
        let summary = Summary { median, lowest: per_second - 1.0, highest: per_second + 1.0 };
        Row { setup, table, load, tokens: load.name().to_owned(), status, summary }
    }

    fn report() -> Report {
        let compared = |setup, load, rate| row(setup, Table::Comparison, load, 200, rate);
        let (distinct, forged) = (Load::Distinct, Load::Forged);
        Report {
            machine: Machine { date: "2024-05-14".to_owned(), ..Machine::default() },
            command: "cargo xtask bench filter --rounds 3".to_owned(),
            times: Times {
                rounds: 3,
                measured: Duration::from_millis(2500),
                warm_up: Duration::from_secs(1),
            },
            rows: vec![
                compared(OPEN, distinct, 20_000.0),
                compared(UNCACHED, distinct, 8_000.0),
                compared(CACHED, distinct, 10_000.0),
                compared(OURS, distinct, 12_000.0),
                compared(OURS, Load::Bodiless, 12_000.0),
                row(OURS, Table::Comparison, forged, 401, 6_000.0),
                row("100 keys", Table::Growth, distinct, 200, 11_400.0),
            ],
            memory: vec![
                Memory { setup: OPEN, bytes: 50.0 * 1_048_576.0 },
                Memory { setup: OURS, bytes: 62.5 * 1_048_576.0 },
            ],
            module_bytes: 440_692,
        }
    }

    #[test]
    fn every_figure_stands_beside_what_it_is_compared_with() {
        let page = report().to_string();
        for line in [
            "| Remint | distinct | 12,000 | 11,999 to 12,001 | 1.50 (1.50) | 1.20 (1.20) | 0.60 (0.60) | 1.50 | 20.25 | 66.7 |",
            "| Remint | forged | 401 | 6,000 | 5,999 to 6,001 | 0.50 (0.50) | 1.50 | 20.25 | 133.3 |",
            "| 100 keys | distinct | 11,400 | 11,399 to 11,401 | 0.95 (0.95) | 1.50 | 20.25 | 70.2 |",
            "| Remint | 62.5 | 12.5 |",
            "The module has 440,692 bytes.",
            "2024-05-14",
            "`cargo xtask bench filter --rounds 3`",
            "2s 500ms after 1s of warm-up",
        ] {
            assert!(page.contains(line), "{line} is not in:\n{page}");
        }
    }

    #[test]
    fn each_table_has_as_many_cells_in_each_line() {
        let page = report().to_string();
        let mut cells = None;
        for line in page.lines() {
            match (line.starts_with('|'), cells) {
                (false, _) => cells = None,
                (true, None) => cells = Some(line.matches('|').count()),
                (true, Some(cells)) => assert_eq!(line.matches('|').count(), cells, "{line}"),
            }
        }
    }

    #[test]
    fn what_was_not_measured_has_no_ratio() {
        let mut report = report();
        report.rows.retain(|row| row.setup == OURS);
        let line =
            "| Remint | distinct | 12,000 | 11,999 to 12,001 |  |  |  | 1.50 | 20.25 | 66.7 |";
        assert!(report.to_string().contains(line));
    }

    #[test]
    fn digits_are_grouped() {
        for (digits, shown) in
            [("7", "7"), ("123", "123"), ("1234", "1,234"), ("1234567", "1,234,567")]
        {
            assert_eq!(grouped(digits), shown);
        }
    }
}
