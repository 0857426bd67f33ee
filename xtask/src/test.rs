//! Everything that must hold.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::exec::{self, Result};
use crate::leaks::Output;
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
    if words.is_empty() {
        // What a test prints that passes is searched too.
        tests.args(["--", "--show-output"]);
    }
    let output = Output::begin()?;
    let (count, result) = counted(tests.env(remint_kept::FOLDER, output.folder()), &output)?;
    let searched = output.search(words.is_empty());
    println!(
        "\n{}\ntook {} s",
        match words {
            [] => "ran: fmt, clippy, doc, build, unit, property and end-to-end tests",
            _ => "ran: build, and the tests that were asked for",
        },
        begun.elapsed().as_secs()
    );
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
    if count.passed == 0 {
        return Err("no test was run".to_owned());
    }
    println!("{}", searched?);
    result
}

/// Runs `cargo test`, shows and keeps what it prints, and adds up its
/// summaries.
fn counted(tests: &mut Command, output: &Output) -> Result<(Count, Result)> {
    let run = |tests: &mut Command| -> std::io::Result<(Count, bool)> {
        let mut child = tests.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let errors = thread::spawn({
            let mut kept = output.printed("stderr")?;
            move || {
                lines(err, |line| {
                    eprintln!("{line}");
                    writeln!(kept, "{line}")
                })
            }
        });
        let mut count = Count::default();
        let mut told = Told::default();
        let mut kept = output.printed("stdout")?;
        lines(out, |line| {
            if told.is_worth_showing(line) {
                println!("{line}");
            }
            count.add(line);
            writeln!(kept, "{line}")
        })?;
        errors.join().map_err(|_| std::io::Error::other("its errors can't be shown"))??;
        Ok((count, child.wait()?.success()))
    };
    match run(tests) {
        Ok((count, true)) => Ok((count, Ok(()))),
        Ok((count, false)) => Ok((count, Err("some tests failed".to_owned()))),
        Err(error) => Err(format!("the tests can't be run: {error}")),
    }
}

/// Which lines people see: not the outputs and names of tests that passed,
/// which stand between those of `successes:` and what comes next.
#[derive(Default)]
struct Told {
    is_quiet: bool,
}

impl Told {
    fn is_worth_showing(&mut self, line: &str) -> bool {
        self.is_quiet = match line {
            "successes:" => true,
            "failures:" => false,
            _ => self.is_quiet && !line.starts_with("test result: "),
        };
        !self.is_quiet
    }
}

/// Hands on each line of an output, in UTF-8 or not.
fn lines(
    from: Option<impl Read>,
    mut each: impl FnMut(&str) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    for line in BufReader::new(from).split(b'\n') {
        each(&String::from_utf8_lossy(&line?))?;
    }
    Ok(())
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
    fn people_see_what_failed_and_not_what_passed() {
        let mut told = Told::default();
        let lines = "test a ... ok\n\nsuccesses:\n---- a stdout ----\nprinted\n\nsuccesses:\n    a\n\
                     failures:\n---- b stdout ----\npanicked\ntest result: FAILED. 1 passed";
        let shown: Vec<_> = lines.lines().filter(|line| told.is_worth_showing(line)).collect();
        let expected = "test a ... ok\n\nfailures:\n---- b stdout ----\npanicked\n\
                        test result: FAILED. 1 passed";
        assert_eq!(shown, expected.lines().collect::<Vec<_>>());
        assert!(told.is_worth_showing("     Running tests/it.rs"));
        assert!(!told.is_worth_showing("successes:"));
        assert!(told.is_worth_showing("test result: ok. 1 passed"));
    }

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
