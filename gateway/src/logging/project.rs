//! The project whose traces the log's lines name.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::{HeaderMap, StatusCode};
use tracing::{info, warn};

use crate::config::{LogProject, Origin};
use crate::doorbell::Task;
use crate::error::chain;
use crate::mint::FLAVOR;
use crate::pauses::Pauses;
use crate::upstream::{Connector, ConnectorError, FetchError, Fetcher};

/// Answered with the id alone (Cloud Run, "Container runtime contract").
const PATH: &str = "/computeMetadata/v1/project/project-id";
const MAX_BYTES: usize = 512;

/// As the subscriber, there is one for the whole process.
static PROJECT: ArcSwapOption<String> = ArcSwapOption::const_empty();

/// The project, if it is known.
pub(super) fn project() -> Option<Arc<String>> {
    PROJECT.load_full()
}

/// Has lines name this project from now on. If it has to be asked for, there
/// is a task for it.
pub(crate) fn follow(
    project: &LogProject,
    connector: &Connector,
) -> Result<Option<Task>, ConnectorError> {
    match project {
        LogProject::Unknown => PROJECT.store(None),
        LogProject::Named(name) => PROJECT.store(Some(Arc::new((**name).to_owned()))),
        LogProject::Ask(host) => {
            let fetcher = Fetcher::to(&Origin::plain(host), connector)?;
            return Ok(Some(Task::spawn(find(fetcher))));
        }
    }
    Ok(None)
}

async fn find(fetcher: Fetcher) {
    let mut pauses = Pauses::new();
    loop {
        match ask(&fetcher).await {
            Ok(Some(project)) => {
                info!(project, "traces are looked for in this project");
                return PROJECT.store(Some(Arc::new(project)));
            }
            Ok(None) => warn!("the metadata server does not tell the project yet"),
            Err(error) => warn!(error = %chain(&error), "the project can't be asked for"),
        }
        pauses.wait().await;
    }
}

async fn ask(fetcher: &Fetcher) -> Result<Option<String>, FetchError> {
    let answer = fetcher.get(PATH, HeaderMap::from_iter([FLAVOR]), MAX_BYTES).await?;
    let text = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
    let is_id = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "/<".contains(c));
    Ok((answer.status == StatusCode::OK && is_id).then(|| text.to_owned()))
}
