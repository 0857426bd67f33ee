//! One process of a program.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Spec, State, Stop};
use crate::network::tcp;

/// The default startup probe's: one TCP probe that may take so long (Cloud Run,
/// "Configure container health checks").
const START: Duration = Duration::from_secs(240);
/// Between `SIGTERM` and `SIGKILL`.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at its port.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// One process, with those that it starts in its process group.
pub(super) struct Instance {
    child: Child,
    group: Group,
    addr: SocketAddr,
    /// How long it may take to end.
    grace: Duration,
}

impl Instance {
    pub(super) fn start(spec: &Spec) -> io::Result<Self> {
        let addr = free_addr()?;
        let (program, arguments) = spec.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env("PORT", addr.port().to_string())
            .envs(spec.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        if let Some(output) = child.stdout.take() {
            pass_through(output.into_owned_fd()?.into(), io::stdout(), &spec.label)?;
        }
        if let Some(errors) = child.stderr.take() {
            pass_through(errors.into_owned_fd()?.into(), io::stderr(), &spec.label)?;
        }
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self { child, group: Group(id.map(Pid::from_raw)), addr, grace: GRACE })
    }

    /// Runs until it dies, and says why it did. None if it was to end.
    pub(super) async fn run(
        mut self,
        state: &watch::Sender<State>,
        stop: &mut Stop,
    ) -> Option<String> {
        tokio::select! {
            () = stop.asked() => return self.end().await,
            status = self.child.wait() => return Some(death(status)),
            answers = timeout(START, answers(self.addr)) => if answers.is_err() {
                self.end().await;
                return Some(format!("its port did not answer within {START:?}"));
            },
        }
        state.send_replace(State::Ready(self.addr));
        tokio::select! {
            () = stop.asked() => self.end().await,
            status = self.child.wait() => Some(death(status)),
        }
    }

    /// Ends it as Cloud Run does. There is nothing to say of that.
    async fn end(&mut self) -> Option<String> {
        self.group.signal(Signal::SIGTERM);
        if timeout(self.grace, self.child.wait()).await.is_err() {
            self.group.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
        None
    }
}

/// A process group. Whatever is left of it dies with this.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.0 {
            // A group that has ended needs no signal.
            let _ = killpg(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// An address where nobody listens.
fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?.local_addr()
}

async fn answers(addr: SocketAddr) {
    while tcp(addr).await.is_err() {
        sleep(PROBE_EVERY).await;
    }
}

fn death(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("it ended ({status})"),
        Err(error) => format!("it is lost: {error}"),
    }
}

/// Copies output line by line, each with the label, in a thread of its own: it
/// may have to wait for whoever reads the emulator's.
fn pass_through(from: File, mut to: impl Write + Send + 'static, label: &str) -> io::Result<()> {
    let label = label.to_owned();
    let copy = move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            // Where nobody reads the output, the program must run on.
            let _ = to.write_all(&[label.as_bytes(), b" ", &line, b"\n"].concat());
            let _ = to.flush();
        }
    };
    thread::Builder::new().name("program's output".to_owned()).spawn(copy).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};

    use tokio::time::Instant;

    use super::super::tests::{DEADLINE, shell};
    use super::*;

    /// A path of this test's own, which is not there yet.
    fn fresh_path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("remint-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    /// What a script has put there.
    async fn content(path: &Path) -> String {
        let found = async {
            loop {
                match std::fs::read_to_string(path) {
                    Ok(text) => break text,
                    Err(_) => sleep(PROBE_EVERY).await,
                }
            }
        };
        let text = timeout(DEADLINE, found).await.unwrap();
        std::fs::remove_file(path).unwrap();
        text
    }

    #[tokio::test]
    async fn a_program_that_ignores_sigterm_is_killed_when_its_time_is_over() {
        let path = fresh_path("deaf");
        let script =
            format!("trap '' TERM; : > {}; while true; do sleep 0.01; done", path.display());
        let mut instance = Instance::start(&shell(&script)).unwrap();
        content(&path).await;
        instance.grace = Duration::from_millis(100);
        let started = Instant::now();
        timeout(DEADLINE, instance.end()).await.unwrap();
        assert!(started.elapsed() >= instance.grace);
        let status = instance.child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    }

    #[tokio::test]
    async fn a_program_that_is_told_to_end_may_do_so_by_itself() {
        let path = fresh_path("tidy");
        let script =
            format!("trap 'exit 7' TERM; : > {}; while true; do sleep 0.01; done", path.display());
        let mut instance = Instance::start(&shell(&script)).unwrap();
        content(&path).await;
        timeout(DEADLINE, instance.end()).await.unwrap();
        assert_eq!(instance.child.wait().await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn whatever_the_program_has_started_ends_with_it() {
        let path = fresh_path("group");
        let script =
            format!("sleep 600 & echo $! > {0}.part && mv {0}.part {0}; wait", path.display());
        let instance = Instance::start(&shell(&script)).unwrap();
        let id = Pid::from_raw(content(&path).await.trim().parse().unwrap());
        drop(instance);
        let is_gone = async {
            while nix::sys::signal::kill(id, None).is_ok() && !is_zombie(id) {
                sleep(PROBE_EVERY).await;
            }
        };
        timeout(DEADLINE, is_gone).await.unwrap();
    }

    /// In a container nobody may reap orphans; a zombie is dead all the same.
    fn is_zombie(id: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.contains(") Z ")
    }
}
