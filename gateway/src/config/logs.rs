//! What the gateway writes of its work, and how.

use std::sync::Arc;

use remint_idtoken::config::{Kind as NodeKind, Object, Reader};

use super::identity::Identities;
use super::{Environment, HostPort};

const FORMATS: [(&str, LogFormat); 2] = [("json", LogFormat::Json), ("text", LogFormat::Text)];
const ACCESS: [(&str, AccessLines); 3] =
    [("all", AccessLines::All), ("errors", AccessLines::Errors), ("off", AccessLines::Off)];

/// What the log looks like, and which requests have a line in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// How lines are written. If it does not say: as JSON, unless somebody
    /// reads along at a terminal.
    pub format: Option<LogFormat>,
    /// Which requests have a line.
    pub access: AccessLines,
    /// Whose traces requests belong to.
    pub project: LogProject,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// JSON as Cloud Logging reads it.
    Json,
    /// For people.
    Text,
}

/// Which requests have a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLines {
    /// All of them, however many.
    All,
    /// Those that were refused or failed, unless there are too many.
    #[default]
    Errors,
    /// None.
    Off,
}

/// The project in which a request's trace is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogProject {
    /// Lines have the trace's id alone.
    #[default]
    Unknown,
    /// This one.
    Named(Arc<str>),
    /// The metadata server at this host knows it.
    Ask(HostPort),
}

/// Without `project` the metadata server is asked on Cloud Run, as for the
/// region; there lines are JSON too, whatever stderr is.
pub(super) fn read(
    object: &mut Object<'_>,
    identities: &Identities<'_>,
    environment: &Environment,
) -> Option<Logs> {
    let given = object.maybe("logs", |logs| {
        let mut object = logs.object()?;
        let format = object.maybe("format", |name| name.choice(&FORMATS));
        let access = object.maybe("access", access);
        let project = object.maybe("project", |name| name.parsed(project_id));
        object.finish();
        Some((format?, access?, project?))
    })?;
    let (format, access, project) = given.unwrap_or_default();
    let project = match project {
        Some(project) => LogProject::Named(project),
        // Not worth a mistake: what is asked for there is more than this.
        None if environment.is_cloud_run => {
            identities.metadata_host().map_or(LogProject::Unknown, LogProject::Ask)
        }
        None => LogProject::Unknown,
    };
    Some(Logs {
        format: format.or(environment.is_cloud_run.then_some(LogFormat::Json)),
        access: access.unwrap_or_default(),
        project,
    })
}

/// In YAML 1.1 `off` is a way to write `false`.
fn access(from: &Reader<'_>) -> Option<AccessLines> {
    match from.node().kind {
        NodeKind::Bool(false) => Some(AccessLines::Off),
        _ => from.choice(&ACCESS),
    }
}

/// An id has 6 to 30 lower-case letters, digits and hyphens (Resource Manager,
/// "Creating and managing projects"); old ones have a domain and a colon before.
fn project_id(text: &str) -> Result<Arc<str>, String> {
    let is_of_id = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':')
    };
    match !text.is_empty() && text.len() <= 100 && text.bytes().all(is_of_id) {
        true => Ok(text.into()),
        false => Err(format!("{text:?} is no id of a project, such as my-project")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::GOOD;
    use super::*;
    use std::path::Path;

    fn read(before: &str, is_cloud_run: bool) -> Result<Logs, String> {
        let environment = Environment { is_cloud_run, ..Environment::default() };
        let config = Config::read(&format!("{before}\n{GOOD}"), Path::new(""), &environment);
        config.map(|config| config.logs).map_err(|mistakes| format!("{mistakes:?}"))
    }

    #[test]
    fn on_cloud_run_lines_are_json_and_the_project_is_asked_for() {
        assert_eq!(read("", false), Ok(Logs::default()));
        let logs = read("", true).unwrap();
        assert_eq!(logs.format, Some(LogFormat::Json));
        let host = HostPort::parse("metadata.google.internal", Some(80)).unwrap();
        assert_eq!(logs.project, LogProject::Ask(host));
        let logs = read("logs: { format: text, access: all, project: my-project }", true).unwrap();
        assert_eq!((logs.format, logs.access), (Some(LogFormat::Text), AccessLines::All));
        assert_eq!(logs.project, LogProject::Named("my-project".into()));
    }

    #[test]
    fn what_is_no_project_is_a_mistake() {
        for wrong in ["''", "My Project", "\"a/traces/b\"", "ä"] {
            let mistakes = read(&format!("logs: {{ project: {wrong} }}"), false).unwrap_err();
            assert!(mistakes.contains("logs.project"), "{wrong}: {mistakes}");
        }
        assert!(read("logs: { access: some }", false).is_err());
    }
}
