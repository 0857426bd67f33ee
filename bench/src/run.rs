//! The measurements: each setup in an Envoy of its own, one after the other,
//! round after round.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::{Config, Emulator, Issuer, SystemClock};
use remint_idtoken::Algorithm;
use remint_tests::attack::bearer;
use remint_tests::chain::{DOMAIN, Envoy, Share};
use remint_tests::client::send;
use remint_tests::shipped::built;
use tempfile::TempDir;

use crate::answered::Answered;
use crate::figures::{Sample, Summary, median};
use crate::machine::{cpu_time, resident_bytes};
use crate::report::{Memory, Row};
use crate::setup::{self, PATH, Parts, Setup, Table};
use crate::tokens::{Load, Tokens};
use crate::upstream::Upstream;
use crate::wrk::Wrk;

/// How long everything is measured.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How often each measurement is made.
    pub rounds: usize,
    /// How long one takes.
    pub measured: Duration,
    /// How long the same load runs before it; may be nothing.
    pub warm_up: Duration,
}

impl Times {
    /// Rounds, measured time and warm-up, as pages tell them.
    pub(crate) fn in_words(self) -> [String; 3] {
        let rounds = match self.rounds {
            1 => "one round".to_owned(),
            rounds => format!("{rounds} rounds"),
        };
        let time = |time| humantime::format_duration(time).to_string();
        [rounds, time(self.measured), time(self.warm_up)]
    }
}

/// Everything around Envoy: Google, the upstream and the tokens.
pub struct Stage {
    emulator: Emulator,
    upstream: Upstream,
    tokens: Tokens,
    folder: TempDir,
    module: PathBuf,
    setups: Vec<Setup>,
}

impl Stage {
    /// Starts it, with so many distinct tokens of each kind.
    ///
    /// # Errors
    /// If a part can't be started, or the filter was not built.
    pub async fn start(tokens: usize) -> io::Result<Self> {
        let emulator = Emulator::start(Config::demo()).await.map_err(io::Error::other)?;
        let issuer = emulator.issuer();
        // Google publishes the next key, or the last one, beside that in use.
        issuer.rotate().map_err(io::Error::other)?;
        let impostor = Issuer::new(Algorithm::Rs256, Arc::new(SystemClock));
        let impostor = impostor.map_err(io::Error::other)?;
        let (keys, folder) = (issuer.jwks(), tempfile::tempdir()?);
        let hundred = setup::hundred_keys(&keys, &issuer.key_id());
        let upstream = Upstream::start(hundred.to_string()).await?;
        let (ca, module) = (folder.path().join("ca.pem"), built("remint_filter.wasm")?);
        std::fs::write(&ca, emulator.ca_pem())?;
        let setups = setup::all(Parts {
            upstream: upstream.address(),
            google: emulator.google_addr(),
            ca: &ca,
            module: &module,
            keys: &keys,
            tokens,
        })?;
        let tokens = Tokens::mint(issuer, &impostor, tokens);
        Ok(Self { emulator, upstream, tokens, folder, module, setups })
    }

    /// What there is to measure.
    #[must_use]
    pub fn setups(&self) -> &[Setup] {
        &self.setups
    }

    /// Leaves out the setups whose name does not hold this text.
    ///
    /// # Errors
    /// If none is left.
    pub fn keep(&mut self, text: &str) -> io::Result<()> {
        chosen(&mut self.setups, |setup| setup.name, text)
    }

    /// The size of the filter's module in bytes.
    ///
    /// # Errors
    /// If it is gone.
    pub fn module_bytes(&self) -> io::Result<u64> {
        Ok(self.module.metadata()?.len())
    }

    /// Starts Envoy for a setup.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn envoy(&self, setup: &Setup, processor: Option<u32>) -> io::Result<Envoy> {
        Envoy::start_on(Share { workers: 1, processor }, &setup.config, self.folder.path()).await
    }

    /// Sends one request of a load and checks its status.
    ///
    /// # Errors
    /// If it is not the right one.
    pub async fn check(&self, setup: &Setup, load: Load, envoy: &Envoy) -> io::Result<()> {
        let request = Request::post(PATH).header(header::HOST, DOMAIN).body(Bytes::new());
        let mut request = request.map_err(io::Error::other)?;
        if let Some(token) = self.tokens.of(load).first() {
            request.headers_mut().insert(header::AUTHORIZATION, bearer(token));
        }
        let (status, expected) =
            (send(envoy.address(), request).await?.status.as_u16(), setup.status(load));
        match status == expected {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{}, {}: answered {status} instead of {expected}",
                setup.name,
                load.shown(&self.tokens)
            ))),
        }
    }

    /// Stops everything.
    pub async fn stop(self) {
        drop(self.upstream);
        self.emulator.shutdown().await;
    }

    /// Writes the tokens of a load for wrk, if they are not there yet.
    fn file(&self, load: Load) -> io::Result<PathBuf> {
        let file = self.folder.path().join(load.name());
        if !file.exists() {
            std::fs::write(&file, self.tokens.of(load).join("\n") + "\n")?;
        }
        Ok(file)
    }
}

/// Leaves out the setups whose name does not hold this text.
pub(crate) fn chosen<S>(
    setups: &mut Vec<S>,
    name: impl Fn(&S) -> &'static str,
    text: &str,
) -> io::Result<()> {
    let names: Vec<_> = setups.iter().map(&name).collect();
    setups.retain(|setup| name(setup).contains(text));
    match setups.is_empty() {
        false => Ok(()),
        true => Err(io::Error::other(format!(
            "no setup has {text:?} in its name; these are the setups:\n  {}",
            names.join("\n  ")
        ))),
    }
}

/// Everything that was measured so far.
pub struct Measurements {
    rates: Vec<(usize, Load, Vec<Sample>)>,
    memory: Vec<Vec<f64>>,
}

impl Measurements {
    /// Measures everything. `tell` is told what is being measured.
    ///
    /// # Errors
    /// If something can't be started, or answers otherwise than it must: a
    /// figure would be worth nothing then.
    pub async fn take(
        stage: &Stage,
        times: Times,
        processor: u32,
        mut tell: impl FnMut(usize, &Setup),
    ) -> io::Result<Self> {
        let wrk = Wrk::prepare(stage.folder.path())?;
        let loads = stage.setups.iter().enumerate();
        let loads = loads.flat_map(|(place, it)| it.loads.iter().map(move |load| (place, *load)));
        let mut taken = Self {
            rates: loads.map(|(place, load)| (place, load, Vec::new())).collect(),
            memory: vec![Vec::new(); stage.setups.len()],
        };
        for round in 1..=times.rounds {
            for (place, setup) in stage.setups.iter().enumerate() {
                tell(round, setup);
                let envoy = stage.envoy(setup, Some(processor)).await?;
                for (_, load, samples) in taken.rates.iter_mut().filter(|it| it.0 == place) {
                    samples.push(measure(stage, setup, *load, &envoy, &wrk, times).await?);
                }
                taken.memory[place].push(resident_bytes(process_of(&envoy)?)? as f64);
                envoy.stop().await?;
            }
        }
        Ok(taken)
    }

    /// The rows of the tables.
    #[must_use]
    pub fn rows(&self, stage: &Stage) -> Vec<Row> {
        let row = |(place, load, samples): &(usize, Load, Vec<Sample>)| {
            let setup = &stage.setups[*place];
            Some(Row {
                setup: setup.name,
                table: setup.table,
                load: *load,
                tokens: load.shown(&stage.tokens),
                status: setup.status(*load),
                summary: Summary::of(samples)?,
            })
        };
        self.rates.iter().filter_map(row).collect()
    }

    /// How much memory Envoy had in the end, setup by setup.
    #[must_use]
    pub fn memory(&self, stage: &Stage) -> Vec<Memory> {
        let all = stage.setups.iter().zip(&self.memory);
        let compared = all.filter(|(setup, _)| setup.table == Table::Comparison);
        compared
            .filter_map(|(setup, bytes)| {
                Some(Memory { setup: setup.name, bytes: median(bytes.clone())? })
            })
            .collect()
    }
}

async fn measure(
    stage: &Stage,
    setup: &Setup,
    load: Load,
    envoy: &Envoy,
    wrk: &Wrk,
    times: Times,
) -> io::Result<Sample> {
    stage.check(setup, load, envoy).await?;
    let tokens = stage.file(load)?;
    if !times.warm_up.is_zero() {
        wrk.run(envoy.address(), &tokens, load.has_body(), times.warm_up).await?;
    }
    let process = process_of(envoy)?;
    let (before, begun) = (Answered::by(envoy).await?, cpu_time(process)?);
    let count = wrk.run(envoy.address(), &tokens, load.has_body(), times.measured).await?;
    let (ended, after) = (cpu_time(process)?, Answered::by(envoy).await?);
    let answered = after.since(before);
    match answered.is_right(setup.status(load), &count) {
        true => Ok(count.sample(answered.cost_us(ended.saturating_sub(begun)))),
        false => Err(io::Error::other(format!(
            "{}, {}: every answer must be {}, but wrk saw {count:?} and Envoy {answered:?}",
            setup.name,
            load.shown(&stage.tokens),
            setup.status(load),
        ))),
    }
}

fn process_of(envoy: &Envoy) -> io::Result<u32> {
    envoy.id().ok_or_else(|| io::Error::other("Envoy has ended"))
}
