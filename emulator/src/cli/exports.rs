//! Variables as lines for a shell.

use std::fmt::Write;

use remint_emulator::environment::Variable;
use remint_idtoken::shell_word;

/// A line for each.
pub(super) fn lines(variables: &[Variable], indent: &str) -> String {
    variables.iter().fold(String::new(), |mut text, Variable { name, value, .. }| {
        let _ = writeln!(text, "{indent}export {name}={}", shell_word(value));
        text
    })
}
