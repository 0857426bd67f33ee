//! Everything that must hold.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::exec::{self, Result};
use crate::{build, envoy, node, python};

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Default)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs everything, or only the tests that `words` select.
pub(crate) fn run(words: &[&str]) -> Result {
    let begun = Instant::now();
    let envoy = envoy::find()?;
    python::packages()?;
    node::packages()?;
    if words.is_empty() {
        exec::run(exec::cargo().args(["fmt", "--all", "--check"]))?;
        exec::run(
            exec::cargo()
                .args(["clippy", "--quiet", "--locked", "--workspace", "--all-targets"])
                .args(["--all-features", "--", "--deny", "warnings"]),
        )?;
        exec::run(
            exec::cargo()
                .args(["doc", "--quiet", "--locked", "--workspace", "--no-deps"])
                .args(["--document-private-items", "--all-features"])
                .env("RUSTDOCFLAGS", "--deny warnings"),
        )?;
    }
    build::all()?;
    build::test_modules()?;
    let mut tests = exec::cargo();
    tests.args(["test", "--locked", "--workspace", "--all-features", "--no-fail-fast"]);
    tests.args(words).env("ENVOY", &envoy);
    let (count, result) = counted(&mut tests)?;
    println!(
        "\n{}\ntook {} s",
        match words {
            [] => "ran: fmt, clippy, doc, build, unit, property and end-to-end tests",
            _ => "ran: build, and the tests that were asked for",
        },
        begun.elapsed().as_secs()
    );
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
    match count {
        Count { passed: 0, .. } => Err("no test was run".to_owned()),
        _ => result,
    }
}

/// Runs `cargo test`, shows what it prints, and adds up its summaries.
fn counted(tests: &mut Command) -> Result<(Count, Result)> {
    let run = |tests: &mut Command| -> std::io::Result<(Count, bool)> {
        let mut child = tests.stdout(Stdio::piped()).spawn()?;
        let mut count = Count::default();
        if let Some(out) = child.stdout.take() {
            for line in BufReader::new(out).lines() {
                let line = line?;
                println!("{line}");
                count.add(&line);
            }
        }
        Ok((count, child.wait()?.success()))
    };
    match run(tests) {
        Ok((count, true)) => Ok((count, Ok(()))),
        Ok((count, false)) => Ok((count, Err("some tests failed".to_owned()))),
        Err(error) => Err(format!("the tests can't be run: {error}")),
    }
}

impl Count {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; …`
    fn add(&mut self, line: &str) {
        let Some((_, summary)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in summary.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed = self.passed.saturating_add(number),
                "failed" => self.failed = self.failed.saturating_add(number),
                "ignored" => self.skipped = self.skipped.saturating_add(number),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_cargo_test_are_added_up() {
        let mut count = Count::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            "test something ... ok",
        ] {
            count.add(line);
        }
        assert_eq!((count.passed, count.failed, count.skipped), (15, 2, 1));
    }
}
