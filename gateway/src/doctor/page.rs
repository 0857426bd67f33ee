//! The page that lists the checks.

use std::fmt::Write;

use super::catalogue::Check;

const HEAD: &str = include_str!("doctor.md");

/// The page in Markdown, with an anchor for each check.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for check in Check::ALL {
        let entry = check.entry();
        let _ = write!(page, "\n### {}\n\n", entry.code);
        let _ = writeln!(page, "**{}.** {}", entry.level.colour(), entry.meaning);
        if let Some(reason) = entry.reason {
            let code = reason.code();
            let _ = writeln!(page, "\nThe reason: [{code}](reasons.md#{code}), or one near it.");
        }
        let _ = writeln!(page, "\nThe remedy: {}.", entry.remedy);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written anew with `UPDATE_DOCS=1 cargo test -p remint-gateway doctor`.
    #[test]
    fn the_documentation_s_page_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/doctor.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        assert!(shipped == page(), "docs/doctor.md is not what `remint doctor --markdown` prints");
    }
}
