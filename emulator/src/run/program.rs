//! A program behind a front end, run as Cloud Run runs a container
//! (<https://cloud.google.com/run/docs/container-contract>): it is told its
//! port by `PORT`, must answer there within the time of the default startup
//! probe, and is ended with `SIGTERM`, ten seconds before `SIGKILL`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::network::tcp;

/// The default startup probe's: one TCP probe that may take so long (Cloud Run,
/// "Configure container health checks").
const START: Duration = Duration::from_secs(240);
/// How long a request waits for a program that starts (Cloud Run, "About
/// instance autoscaling": ten seconds, or longer where instances start slowly).
const PENDING: Duration = Duration::from_secs(10);
/// Between `SIGTERM` and `SIGKILL`.
const GRACE: Duration = Duration::from_secs(10);
/// The pause before a program that died is started again, doubled each time
/// until it has run for as long as the longest pause.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks at its port.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// Variables beside `PORT`.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// What stands before each line of its output.
    pub(crate) label: String,
}

/// Where the program stands.
#[derive(Clone, Debug)]
enum State {
    Starting,
    Ready(SocketAddr),
    Down(String),
}

/// A program, as those see it who call it.
pub(crate) struct Program(watch::Receiver<State>);

/// The program's life, which ends with this.
pub(crate) struct Life {
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Program {
    /// Starts it, and again whenever it dies.
    ///
    /// # Errors
    /// If it can't be started the first time, as there is no such program.
    pub(crate) fn start(spec: Spec) -> io::Result<(Arc<Self>, Life)> {
        let first = Instance::start(&spec)?;
        let (state, seen) = watch::channel(State::Starting);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(supervise(spec, first, state, Stop(stopped)));
        let task = tokio::sync::Mutex::new(Some(task));
        Ok((Arc::new(Self(seen)), Life { stop, task }))
    }

    /// Where it listens. Waits for a program that is starting. The error says
    /// why there is none.
    pub(crate) async fn addr(&self) -> Result<SocketAddr, String> {
        let mut state = self.0.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Starting));
        let settled = timeout(PENDING, settled).await.map(|it| it.map(|state| state.clone()));
        let why = match settled {
            Ok(Ok(State::Ready(addr))) => return Ok(addr),
            Ok(Ok(State::Down(why))) => why,
            Ok(Err(_)) => "it has been ended".to_owned(),
            Ok(Ok(State::Starting)) | Err(_) => "it is still starting".to_owned(),
        };
        Err(format!("container_unavailable: the program: {why}"))
    }
}

impl Life {
    /// Tells the program to end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends the program and waits for its end.
    pub(crate) async fn end(&self) {
        self.stop();
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

/// Tells that the program is to end: it was told so, or nobody is left to tell.
struct Stop(watch::Receiver<bool>);

impl Stop {
    async fn asked(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

async fn supervise(spec: Spec, first: Instance, state: watch::Sender<State>, mut stop: Stop) {
    let mut pause = FIRST_PAUSE;
    let mut next = Ok(first);
    loop {
        let started = Instant::now();
        let why = match next {
            Ok(instance) => match instance.run(&state, &mut stop).await {
                Some(why) => why,
                None => return,
            },
            Err(error) => format!("it can't be started: {error}"),
        };
        say(&spec.label, &format!("{why}; it is started again in {pause:?}"));
        state.send_replace(State::Down(why));
        if started.elapsed() >= LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = stop.asked() => return,
            () = sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        state.send_replace(State::Starting);
        next = Instance::start(&spec);
    }
}

/// One process, with those that it starts in its process group.
struct Instance {
    child: Child,
    group: Group,
    addr: SocketAddr,
    /// How long it may take to end.
    grace: Duration,
}

impl Instance {
    fn start(spec: &Spec) -> io::Result<Self> {
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
    async fn run(mut self, state: &watch::Sender<State>, stop: &mut Stop) -> Option<String> {
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

/// What there is to say of a program, where its errors go.
fn say(label: &str, what: &str) {
    let _ = writeln!(io::stderr(), "{label} {what}");
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Spec {
        let words = ["sh", "-c", script].map(str::to_owned).into();
        Spec { words, variables: Vec::new(), label: "[test]".to_owned() }
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_told_at_once() {
        let mut spec = shell("");
        spec.words = vec!["/no/such/program".to_owned()];
        assert_eq!(Program::start(spec.clone()).err().unwrap().kind(), io::ErrorKind::NotFound);
        spec.words.clear();
        assert!(Program::start(spec).is_err());
    }

    #[tokio::test]
    async fn a_program_that_dies_is_down_and_is_told_why() {
        let (program, life) = Program::start(shell("exit 3")).unwrap();
        let said = timeout(DEADLINE, program.addr()).await.unwrap().unwrap_err();
        assert!(said.contains("it ended (exit status: 3)"), "{said}");
        timeout(DEADLINE, life.end()).await.unwrap();
        assert!(program.addr().await.is_err());
    }

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
