//! The emulator's file: one document in YAML that says what to pretend.
//!
//! Every mistake is reported at once, with its place. What is not said is as
//! in [`Config::demo`], but for services, of which there are none, and for who
//! may invoke them, which is nobody: as on Cloud Run.
//!
//! Each section has a reader in a file of its own. To add one takes its `mod`
//! and a line with `put`; what it refers to stands in `references.rs`.

mod backend;
mod identities;
mod listen;
mod project;
mod references;
mod services;
mod values;

use std::path::Path;

use remint_idtoken::config::{FileError, Object, Problem, Reader, yaml};

use crate::config::{Config, Service};
use values::{host, span};

/// The JSON Schema of the file.
pub const SCHEMA: &str = include_str!("../../../schema/emulator.json");

/// Reads a file. Files that it names count from its folder.
///
/// # Errors
/// All mistakes in it.
pub fn load(file: &Path) -> Result<Config, FileError> {
    let text = std::fs::read_to_string(file).map_err(|error| FileError::unread(file, &error))?;
    let config = parse(&text).map_err(|problems| FileError::new(file, problems))?;
    Ok(config.in_folder(file.parent().unwrap_or_else(|| Path::new(""))))
}

/// Reads a text.
///
/// # Errors
/// All mistakes in it, from its top to its end.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    yaml::read(text, read_root)
}

fn read_root(root: &Reader<'_>) -> Option<Config> {
    let mut object = root.object()?;
    let mut config = Config { services: Vec::new(), region: String::new(), ..Config::demo() };
    project::read(&mut object, &mut config);
    listen::read(&mut object, &mut config);
    identities::read(&mut object, &mut config);
    put(&mut object, "services", services::read, &mut config.services);
    put(&mut object, "region", values::name, &mut config.region);
    put(&mut object, "hosts", host::mappings, &mut config.hosts);
    put(&mut object, "token_lifetime", span::token_lifetime, &mut config.token_lifetime);
    put(&mut object, "iam_propagation", span::iam_propagation, &mut config.iam_propagation);
    put(&mut object, "keys", read_keys, &mut config.keys_max_age);
    object.finish();
    references::check(root, &config);
    if config.region.is_empty() {
        config.region = usual_region(&config.services);
    }
    Some(config)
}

/// Puts a member where it belongs, if it is there. What is wrong with it is
/// written down, and no configuration comes of it.
fn put<'n, T>(
    object: &mut Object<'n>,
    name: &'static str,
    read: impl Fn(&Reader<'n>) -> Option<T>,
    place: &mut T,
) {
    if let Some(value) = object.get(name).and_then(|member| read(&member)) {
        *place = value;
    }
}

/// The `max-age` of the key documents, in seconds.
fn read_keys(from: &Reader<'_>) -> Option<u64> {
    let mut object = from.object()?;
    let max_age = object.need("max_age").and_then(|it| span::max_age(&it));
    object.finish();
    max_age.map(|span| span.as_secs())
}

/// Clients seem to run where the first service does.
fn usual_region(services: &[Service]) -> String {
    let first = services.iter().flat_map(|service| &service.regions).next();
    first.map_or(Config::demo().region, |region| region.name.clone())
}

#[cfg(test)]
mod tests;
