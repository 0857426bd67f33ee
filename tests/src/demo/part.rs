//! What a part of the story shows and expects.

use std::fmt;

use serde_json::{Map, Value, json};

/// One part of the story, told.
pub struct Part {
    /// Its number and title.
    pub title: &'static str,
    /// What happens in it, in a sentence or two.
    pub story: String,
    /// The live figures.
    pub table: Table,
    /// Lines below the figures.
    pub notes: Vec<String>,
    /// What must hold, and whether it did.
    pub expectations: Vec<(String, bool)>,
}

/// Figures in rows under headings.
#[derive(Default)]
pub struct Table {
    /// The headings.
    pub columns: Vec<&'static str>,
    /// The rows; each has as many cells as there are headings.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&dyn fmt::Display]) {
        self.rows.push(cells.iter().map(ToString::to_string).collect());
    }
}

impl Part {
    /// A part of which nothing is told yet.
    #[must_use]
    pub fn new(title: &'static str, story: impl Into<String>, table: Table) -> Self {
        Self { title, story: story.into(), table, notes: Vec::new(), expectations: Vec::new() }
    }

    /// Writes down what must hold.
    pub fn expect(&mut self, what: impl Into<String>, held: bool) {
        self.expectations.push((what.into(), held));
    }

    /// Whether everything held that must.
    #[must_use]
    pub fn held(&self) -> bool {
        self.expectations.iter().all(|(_, held)| *held)
    }

    /// What did not hold, for a test's message.
    #[must_use]
    pub fn failures(&self) -> Vec<&str> {
        let failed = self.expectations.iter().filter(|(_, held)| !held);
        failed.map(|(what, _)| what.as_str()).collect()
    }

    /// The part as one line for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let row = |row: &Vec<String>| -> Map<String, Value> {
            let cells = self.table.columns.iter().zip(row);
            cells.map(|(name, cell)| ((*name).to_owned(), Value::from(cell.as_str()))).collect()
        };
        let expectation = |(what, held): &(String, bool)| json!({"what": what, "held": held});
        json!({
            "part": self.title,
            "rows": self.table.rows.iter().map(row).collect::<Vec<_>>(),
            "notes": self.notes,
            "expectations": self.expectations.iter().map(expectation).collect::<Vec<_>>(),
            "held": self.held(),
        })
    }
}
