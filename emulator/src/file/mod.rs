//! The emulator's file: one document in YAML that says what to pretend.
//!
//! Every mistake is reported at once, with its place. What is not said is as
//! in [`Config::demo`], but for services, of which there are none, and for who
//! may invoke them, which is nobody: as on Cloud Run.
//!
//! Each section has a reader in a file of its own. To add one takes its `mod`
//! and a line with `put`; what it refers to stands in `references.rs`, and whom
//! it calls in `hosts.rs`.

mod backend;
mod eventarc;
pub(crate) mod faults;
mod hosts;
mod identities;
mod listen;
mod load_balancers;
mod project;
mod pubsub;
mod references;
mod scheduler;
mod services;
mod target;
mod tasks;
mod values;

use std::path::Path;

use remint_idtoken::config::{FileError, Object, Problem, Reader, yaml};

use crate::config::{Config, Service};
use crate::issuer::Rotation;
use values::{host, span};

/// The JSON Schema of the file.
pub const SCHEMA: &str = include_str!("../../../schema/emulator.json");

/// How many keys may be published before or after the one that signs.
const MAX_OVERLAP: u32 = 4;

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
    put(&mut object, "load_balancers", load_balancers::read, &mut config.load_balancers);
    put(&mut object, "pubsub", pubsub::read, &mut config.pubsub);
    put(&mut object, "eventarc", eventarc::read, &mut config.eventarc);
    put(&mut object, "tasks", tasks::read, &mut config.tasks);
    put(&mut object, "scheduler", scheduler::read, &mut config.scheduler);
    put(&mut object, "faults", faults::read, &mut config.faults);
    put(&mut object, "control_hosts", host::names, &mut config.control_hosts);
    if let Some(keys) = object.get("keys").and_then(|it| read_keys(&it)) {
        (config.keys_max_age, config.key_rotation) = keys;
    }
    object.finish();
    hosts::check(root, &config);
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

/// The `max-age` of the key documents, in seconds, and how the keys change.
fn read_keys(from: &Reader<'_>) -> Option<(u64, Option<Rotation>)> {
    let usual = Config::demo().keys_max_age;
    let mut object = from.object()?;
    let max_age = object.maybe("max_age", span::max_age);
    let rotation = object.maybe("rotation", read_rotation);
    object.finish();
    Some((max_age?.map_or(usual, |span| span.as_secs()), rotation?))
}

/// Keys that are published at once take time to be made, so that their number is
/// bounded.
fn read_rotation(from: &Reader<'_>) -> Option<Rotation> {
    let mut object = from.object()?;
    let every = object.need("every").and_then(|it| span::rotation(&it));
    let overlap = object.need("overlap").and_then(|it| it.duration());
    object.finish();
    let rotation = Rotation { every: every?, overlap: overlap? };
    if rotation.overlap > rotation.every.saturating_mul(MAX_OVERLAP) {
        from.problem(format!("\"overlap\" must not be more than {MAX_OVERLAP} times \"every\""));
    }
    Some(rotation)
}

/// Clients seem to run where the first service does.
fn usual_region(services: &[Service]) -> String {
    let first = services.iter().flat_map(|service| &service.regions).next();
    first.map_or(Config::demo().region, |region| region.name.clone())
}

#[cfg(test)]
mod tests;
