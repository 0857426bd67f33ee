//! Telling the story, to people or to machines.

use std::io::{self, Write};
use std::time::Instant;

use serde_json::json;

use super::part::{Part, Table};

/// Tells parts and remembers whether all held.
pub struct Show<W> {
    to: W,
    as_json: bool,
    begun: Instant,
    all_held: bool,
}

impl<W: Write> Show<W> {
    /// A story told to `to`: as text, or as one JSON object per line.
    pub fn new(to: W, as_json: bool) -> Self {
        Self { to, as_json, begun: Instant::now(), all_held: true }
    }

    /// Says something that is no part, to people only.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        match self.as_json {
            true => Ok(()),
            false => writeln!(self.to, "{text}"),
        }
    }

    /// Tells a part.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn part(&mut self, part: &Part) -> io::Result<()> {
        self.all_held &= part.held();
        if self.as_json {
            return writeln!(self.to, "{}", part.to_json());
        }
        writeln!(self.to, "\n{}\n\n{}\n", part.title, wrapped(&part.story, 78))?;
        write_table(&mut self.to, &part.table)?;
        for note in &part.notes {
            writeln!(self.to, "\n  {note}")?;
        }
        writeln!(self.to)?;
        for (what, held) in &part.expectations {
            writeln!(self.to, "  {} {what}", if *held { "ok  " } else { "FAIL" })?;
        }
        self.to.flush()
    }

    /// Ends the story. Returns whether everything held.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn end(&mut self) -> io::Result<bool> {
        let (held, seconds) = (self.all_held, self.begun.elapsed().as_secs_f64());
        if self.as_json {
            writeln!(self.to, "{}", json!({"held": held, "seconds": seconds}))?;
        } else {
            let verdict = if held { "Everything went as told" } else { "Something FAILED" };
            writeln!(self.to, "\n{verdict}, in {seconds:.1} s.")?;
        }
        Ok(held)
    }
}

/// Columns as wide as their widest cell; a cell may have several lines.
fn write_table(to: &mut impl Write, table: &Table) -> io::Result<()> {
    let headings: Vec<String> = table.columns.iter().map(|name| (*name).to_owned()).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = std::iter::once(&headings).chain(&table.rows).map(|row| &row[column]);
            cells.flat_map(|cell| cell.lines()).map(|line| line.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let has_headings = headings.iter().any(|heading| !heading.is_empty());
    let headings = has_headings.then_some(&headings);
    for row in headings.into_iter().chain(&table.rows) {
        let height = row.iter().map(|cell| cell.lines().count()).max().unwrap_or(0);
        for line in 0..height {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                format!("{:width$}", cell.lines().nth(line).unwrap_or_default())
            });
            writeln!(to, "  {}", cells.collect::<Vec<_>>().join("   ").trim_end())?;
        }
    }
    Ok(())
}

/// Text in lines of at most that many characters.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(as_json: bool, held: bool) -> (String, bool) {
        let mut table = Table::new(&["region", "calls"]);
        table.row(&[&"us-central1", &20]);
        let mut part = Part::new("1. Title", "A story.", table);
        part.expect("it holds", held);
        let mut out = Vec::new();
        let mut show = Show::new(&mut out, as_json);
        show.part(&part).unwrap();
        let all = show.end().unwrap();
        (String::from_utf8(out).unwrap(), all)
    }

    #[test]
    fn a_part_is_told_as_a_table_with_its_verdicts() {
        let (text, held) = told(false, true);
        assert!(text.contains("  region        calls\n  us-central1   20\n"), "{text}");
        assert!(text.contains("  ok   it holds") && held);
    }

    #[test]
    fn one_failure_fails_the_story() {
        let (text, held) = told(false, false);
        assert!(text.contains("  FAIL it holds") && !held, "{text}");
    }

    #[test]
    fn machines_get_one_object_per_line() {
        let (text, _) = told(true, true);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["rows"][0]["region"], "us-central1");
        assert_eq!(lines[1]["held"], true);
    }
}
