//! Reading the configuration again when it has changed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remint_idtoken::Fingerprint;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::error;

use crate::config::{Config, ConfigError, Environment, LogFormat};
use crate::error::chain;
use crate::instance::{Instance, Source};

/// Looks at a configuration's files by what is in them, not by their times:
/// Kubernetes changes them all at once by turning a link elsewhere.
pub struct Reloader {
    file: PathBuf,
    environment: Environment,
    /// What was in the files when they were read last.
    seen: Seen,
}

/// The files of a configuration, its own first, and what is in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen(Vec<(PathBuf, Option<Fingerprint>)>);

impl Seen {
    fn of(file: &Path, named: &[PathBuf]) -> Self {
        let files = std::iter::once(file).chain(named.iter().map(PathBuf::as_path));
        let look = |file: &Path| {
            let content = std::fs::read(file).ok();
            (file.to_owned(), content.map(|content| Fingerprint::of(&content)))
        };
        Self(files.map(look).collect())
    }

    /// The same files, as they are now.
    fn again(&self) -> Self {
        match self.0.split_first() {
            None => Self::default(),
            Some(((file, _), named)) => {
                let named: Vec<PathBuf> = named.iter().map(|(file, _)| file.clone()).collect();
                Self::of(file, &named)
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().skip(1).map(|(file, _)| file)
    }

    fn own(&self) -> Option<Fingerprint> {
        self.0.first().and_then(|(_, content)| *content)
    }
}

impl Reloader {
    /// Reads a configuration, which can be read again later.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn load(file: &Path, environment: Environment) -> Result<(Self, Config), ConfigError> {
        let mut this = Self { file: file.to_owned(), environment, seen: Seen::default() };
        let config = this.read()?;
        Ok((this, config))
    }

    /// Reads the files as they are, and remembers what was in them. They are
    /// looked at before they are read: what changes meanwhile is noticed the
    /// next time.
    fn read(&mut self) -> Result<Config, ConfigError> {
        let mut named: Vec<PathBuf> = self.seen.names().cloned().collect();
        loop {
            self.seen = Seen::of(&self.file, &named);
            let result = Config::load(&self.file, &self.environment);
            let files = match &result {
                Ok(config) => &config.files,
                Err(error) => &error.files,
            };
            // A configuration that can't be read at all names nothing.
            if *files == named || result.as_ref().is_err_and(|it| it.files.is_empty()) {
                return result;
            }
            named.clone_from(files);
        }
    }

    fn has_changed(&self) -> bool {
        self.seen.again() != self.seen
    }

    pub(crate) fn source(&self) -> Source {
        let hash = self.seen.own().map(|it| it.to_string()).unwrap_or_default();
        Source { file: self.file.display().to_string(), hash }
    }
}

/// Brings an instance up to date with its files, for as long as it is polled.
pub(crate) struct Follower {
    pub(crate) instance: Arc<Instance>,
    pub(crate) reloader: Mutex<Reloader>,
    /// How often it looks; nothing: only when it is asked to.
    pub(crate) interval: Duration,
    /// Where it listens, and can't listen elsewhere.
    pub(crate) listens_on: [(&'static str, SocketAddr); 2],
    /// How its log is written, and goes on being.
    pub(crate) log_format: Option<LogFormat>,
}

impl Follower {
    /// Whoever sends something asks for the files to be read, changed or not.
    pub(crate) async fn follow(self, mut asked: mpsc::Receiver<()>) {
        let mut interval = self.interval;
        let this = Arc::new(self);
        loop {
            let is_asked = tokio::select! {
                it = asked.recv() => match it {
                    Some(()) => true,
                    None => return,
                },
                () = sleep(interval), if !interval.is_zero() => false,
            };
            let looking = Arc::clone(&this);
            match apart(move || looking.look(is_asked)).await {
                Ok(Some(config)) => interval = config.reload_interval,
                Ok(None) => {}
                Err(Broken) => this.instance.rejected(Broken.to_string()),
            }
        }
    }

    /// Applies what has changed. Nothing if there is nothing to apply.
    fn look(&self, is_asked: bool) -> Option<Config> {
        let mut reloader = self.reloader.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_asked && !reloader.has_changed() {
            return None;
        }
        let applied = reloader.read().map_err(|error| error.to_string()).and_then(|config| {
            let applied = self.instance.apply(&config).map_err(|error| chain(&error));
            applied.map(|()| config)
        });
        match applied {
            Ok(config) => {
                self.tell(&config, reloader.source());
                Some(config)
            }
            Err(mistakes) => {
                self.instance.rejected(mistakes);
                None
            }
        }
    }

    fn tell(&self, config: &Config, source: Source) {
        let wanted = [config.listen, config.admin];
        let moved = self.listens_on.iter().zip(wanted).filter(|((_, is), wanted)| is != wanted);
        let moved = moved.map(|((name, _), _)| *name);
        let format = (self.log_format != config.logs.format).then_some("logs.format");
        self.instance.reloaded(source, moved.chain(format).collect());
    }
}

/// An attempt that came to no end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading it, or putting it into use, broke off: this is a defect of the gateway")]
struct Broken;

/// Does something that blocks, as reading files does, and that may be wrong
/// in a way that nobody thought of: that must not be the last attempt.
async fn apart<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
    tokio::task::spawn_blocking(act).await.map_err(|error| {
        error!(is_panic = error.is_panic(), "an attempt to read the configuration broke off");
        Broken
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempt_that_panics_is_told_and_not_the_last_one() {
        assert_eq!(apart(|| panic!("a defect")).await, Err::<(), _>(Broken));
        assert_eq!(apart(|| 1).await, Ok(1));
    }
}
