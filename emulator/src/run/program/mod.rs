//! A program behind a front end, run as Cloud Run runs a container
//! (<https://cloud.google.com/run/docs/container-contract>): it is told its
//! port by `PORT`, must answer there within the time of the default startup
//! probe, and is ended with `SIGTERM`, ten seconds before `SIGKILL`.

mod instance;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use instance::Instance;

/// How long a request waits for a program that starts (Cloud Run, "About
/// instance autoscaling": ten seconds, or longer where instances start slowly).
const PENDING: Duration = Duration::from_secs(10);
/// The pause before a program that died is started again, doubled each time
/// until it has run for as long as the longest pause.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
    task: Mutex<Option<JoinHandle<()>>>,
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
        let task = Mutex::new(Some(task));
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

/// What there is to say of a program, where its errors go.
fn say(label: &str, what: &str) {
    let _ = writeln!(io::stderr(), "{label} {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const DEADLINE: Duration = Duration::from_secs(20);

    pub(super) fn shell(script: &str) -> Spec {
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
}
