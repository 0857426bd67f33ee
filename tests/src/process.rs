//! A program that is started, watched and stopped.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A program that may use one processor alone, if one is named.
pub(crate) fn on_processor(processor: Option<u32>, program: &Path) -> Command {
    let Some(processor) = processor else {
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(processor.to_string()).arg(program);
    command
}

/// A running program and all that it has printed. Dropping it ends it.
pub struct Process {
    name: &'static str,
    child: Child,
    printed: Printed,
}

/// The lines a program has printed so far, on both of its outputs.
#[derive(Clone)]
struct Printed {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(name: &'static str, command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let counter = Arc::new(counter);
        if let Some(out) = child.stdout.take() {
            tokio::spawn(collect(name, out, Arc::clone(&lines), Arc::clone(&counter)));
        }
        if let Some(err) = child.stderr.take() {
            tokio::spawn(collect(name, err, Arc::clone(&lines), counter));
        }
        Ok(Self { name, child, printed: Printed { lines, count } })
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.printed.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `find` finds what it looks for in a line.
    ///
    /// # Errors
    /// As [`Process::wait_until`].
    pub async fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        self.wait_until(|lines| lines.iter().find_map(|line| find(line))).await
    }

    /// Waits until `find` finds what it looks for in all that was printed.
    ///
    /// # Errors
    /// If the program ends before, or [`PATIENCE`] does; the error shows what
    /// was printed last.
    pub async fn wait_until<T>(&mut self, find: impl Fn(&[String]) -> Option<T>) -> io::Result<T> {
        let mut count = self.printed.count.clone();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            count.mark_unchanged();
            if let Some(found) = find(&self.lines()) {
                return Ok(found);
            }
            let why = match tokio::time::timeout_at(deadline, count.changed()).await {
                Ok(Ok(())) => continue,
                // Both outputs were closed; the last line may have come since.
                Ok(Err(_)) => match find(&self.lines()) {
                    Some(found) => return Ok(found),
                    None => "has ended",
                },
                Err(_) => "took too long",
            };
            return Err(io::Error::other(format!("{} {why}:\n{}", self.name, self.tail())));
        }
    }

    /// Its number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last lines, for messages.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Asks it to stop and waits until it has. Returns its exit code, if it
    /// was not killed.
    ///
    /// # Errors
    /// If it does not stop in time; then it is killed.
    pub async fn stop(self) -> io::Result<Option<i32>> {
        self.stop_by(Signal::SIGTERM).await
    }

    /// The same by another signal.
    ///
    /// # Errors
    /// If it does not stop in time; then it is killed.
    pub async fn stop_by(mut self, signal: Signal) -> io::Result<Option<i32>> {
        self.signal(signal);
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?.code()),
            Err(_) => {
                self.child.kill().await?;
                Err(io::Error::other(format!("{} did not stop:\n{}", self.name, self.tail())))
            }
        }
    }

    /// How long its threads have worked so far, however busy the machine is
    /// with other things (Linux, `proc_pid_schedstat(5)`).
    ///
    /// # Errors
    /// If it does not run, or the system does not say.
    pub fn worked(&self) -> io::Result<Duration> {
        let id = self.child.id().ok_or_else(|| io::Error::other("it has ended"))?;
        let mut worked = Duration::ZERO;
        for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
            let numbers = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanoseconds = numbers.split(' ').next().and_then(|number| number.parse().ok());
            worked += Duration::from_nanos(nanoseconds.unwrap_or_default());
        }
        Ok(worked)
    }

    /// Sends it a signal, if it still runs.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended by itself just now.
            let _ = kill(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Process {
    /// Ends it and waits until it has ended: nothing is left behind for even a
    /// moment, not by a test that fails nor by a demo that is interrupted.
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a program and waits until it has ended.
pub(crate) fn end(child: &mut Child) {
    // An error says that it has ended already.
    if child.start_kill().is_err() {
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn collect(
    name: &str,
    from: impl AsyncRead + Unpin,
    lines: Arc<Mutex<Vec<String>>>,
    counter: Arc<watch::Sender<usize>>,
) {
    let mut from = BufReader::new(from).lines();
    while let Ok(Some(line)) = from.next_line().await {
        remint_kept::keep(name, &line);
        lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        counter.send_modify(|count| *count += 1);
    }
}
