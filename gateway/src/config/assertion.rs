//! Assertions of who called: who signs them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use remint_idtoken::config::{Object, Reader};

use super::Environment;
use super::files::Files;
use crate::assertion::{AssertionKeys, MAX_KEY_FILE};
use crate::limited_file;

/// In place of a file: a key that is made at the start.
const MADE_AT_START: &str = "dev";

/// How regions are told who called.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// Who says so: `iss`.
    pub issuer: Arc<str>,
    /// What it is signed with.
    pub(crate) keys: Arc<AssertionKeys>,
}

/// Outside: whether it can be read; inside: whether there is one.
pub(super) fn read(
    object: &mut Object<'_>,
    files: &Files,
    environment: &Environment,
) -> Option<Option<Assertion>> {
    object.maybe("assertion", |assertion| {
        let mut assertion = assertion.object()?;
        let issuer = assertion.need("issuer").and_then(|issuer| issuer.text().map(Arc::from));
        let keys = assertion.need("keys").and_then(|keys| read_keys(&keys, files, environment));
        assertion.finish();
        Some(Assertion { issuer: issuer?, keys: keys? })
    })
}

fn read_keys(
    from: &Reader<'_>,
    files: &Files,
    environment: &Environment,
) -> Option<Arc<AssertionKeys>> {
    from.parsed(|name| match name {
        MADE_AT_START if environment.dev => made_at_start(),
        // Each instance would have another one, and a restart would change it.
        MADE_AT_START => Err("a key can't be read from \"dev\": it is made at the start, with \
                              --dev alone, since all instances must share their keys"
            .to_owned()),
        name => load(&files.path(name)).map(Arc::new),
    })
}

/// The same one each time: a region that has it must not lose it because the
/// configuration was read again.
fn made_at_start() -> Result<Arc<AssertionKeys>, String> {
    static MADE: OnceLock<Arc<AssertionKeys>> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(Arc::clone(made));
    }
    let keys = AssertionKeys::generate().map_err(|error| error.to_string())?;
    Ok(Arc::clone(MADE.get_or_init(|| Arc::new(keys))))
}

fn load(file: &Path) -> Result<AssertionKeys, String> {
    let shown = file.display();
    let text = limited_file::read(file, MAX_KEY_FILE);
    let text = text.map_err(|error| format!("{shown} can't be read: {error}"))?;
    AssertionKeys::parse(&text).map_err(|error| format!("{shown} can't be read: {error}"))
}
