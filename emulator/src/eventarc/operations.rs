//! What long-running operations have come to: all are done at once.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// How many can be asked for: whoever made one asks at once.
const MOST: usize = 1_000;

/// The last operations, oldest first.
#[derive(Default)]
pub(super) struct Operations {
    known: VecDeque<(String, Value)>,
    count: u64,
}

impl Operations {
    /// Notes one that was made in a location, and what it has come to.
    pub(super) fn done(&mut self, location: &str, response: &Value) -> Value {
        self.count = self.count.saturating_add(1);
        let name = format!("{location}/operations/operation-{}", self.count);
        let operation = json!({ "name": name, "done": true, "response": response });
        if self.known.len() >= MOST {
            self.known.pop_front();
        }
        self.known.push_back((name, operation.clone()));
        operation
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.known.iter().find(|(known, _)| known == name).map(|(_, operation)| operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_operations_are_kept() {
        let mut operations = Operations::default();
        for number in 0..=MOST {
            let operation = operations.done("projects/p/locations/l", &json!(number));
            let name = operation["name"].as_str().unwrap();
            assert_eq!(operations.get(name), Some(&operation));
        }
        assert_eq!(operations.known.len(), MOST);
        assert_eq!(operations.get("projects/p/locations/l/operations/operation-1"), None);
    }
}
