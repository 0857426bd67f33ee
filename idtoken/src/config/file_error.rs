//! The mistakes of a file, as they are told to whoever wrote it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Problem;

/// All mistakes of one file.
#[derive(Debug)]
pub struct FileError {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl FileError {
    /// These mistakes of that file, put into its order.
    #[must_use]
    pub fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self { file: file.to_owned(), problems }
    }

    /// That the file can't be read at all.
    #[must_use]
    pub fn unread(file: &Path, error: &std::io::Error) -> Self {
        let message = format!("can't be read: {error}");
        Self::new(file, vec![Problem { path: String::new(), at: None, message }])
    }
}

impl std::error::Error for FileError {}

impl fmt::Display for FileError {
    /// One line for each mistake: `FILE:LINE:COLUMN: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            let separator = if problem.at.is_some() { "" } else { " " };
            let end = if place == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{separator}{problem}", self.file.display())?;
        }
        Ok(())
    }
}

/// Puts mistakes into the order of their file.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| problem.at.map(|at| (at.line, at.column)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Position;

    #[test]
    fn each_mistake_has_a_line_in_the_order_of_the_file() {
        let problem = |line, path: &str| Problem {
            path: path.to_owned(),
            at: Some(Position { line, column: 3 }),
            message: "is wrong".to_owned(),
        };
        let error = FileError::new(Path::new("a.yaml"), vec![problem(9, "z"), problem(2, "")]);
        assert_eq!(error.to_string(), "a.yaml:2:3: is wrong\na.yaml:9:3: z: is wrong");
        let error = FileError::unread(Path::new("a.yaml"), &std::io::ErrorKind::NotFound.into());
        assert_eq!(error.to_string(), "a.yaml: can't be read: entity not found");
    }
}
