//! The measurements: each proxy afresh, one after the other, round after round.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use remint_emulator::{Config, Emulator};
use remint_tests::shipped::built;
use tempfile::TempDir;

use super::idle::{self, Idle};
use super::pace;
use super::setup::{self, Running, Setup, Site};
use crate::figures::{Sample, median, percentile};
use crate::machine::cpu_time;
use crate::run::{Times, chosen};
use crate::setup::Parts;
use crate::tokens::{Load, Tokens};
use crate::upstream::Upstream;
use crate::wrk::Wrk;

/// The loads that the proxies are put under.
pub(super) const LOADS: [Load; 2] = [Load::Distinct, Load::Repeated];

/// Everything around the proxies: Google, the upstream and the tokens.
pub struct Stage {
    emulator: Emulator,
    upstream: Upstream,
    tokens: Tokens,
    folder: TempDir,
    ca: PathBuf,
    setups: Vec<Setup>,
}

/// Everything that was measured of one setup.
#[derive(Default)]
pub struct Taken {
    /// As many requests as it takes, by load.
    pub(super) full: [Vec<Sample>; LOADS.len()],
    /// The percentiles 50 and 99 at a steady rate, in milliseconds.
    pub(super) paced: Vec<[f64; 2]>,
    pub(super) idle: Vec<Idle>,
}

impl Stage {
    /// Starts it, with so many distinct tokens.
    ///
    /// # Errors
    /// If something can't be started.
    pub async fn start(tokens: usize) -> io::Result<Self> {
        let emulator = Emulator::start(Config::demo()).await.map_err(io::Error::other)?;
        let (keys, folder) = (emulator.issuer().jwks(), tempfile::tempdir()?);
        let upstream = Upstream::start(keys.to_string()).await?;
        let (ca, module) = (folder.path().join("ca.pem"), built("remint_filter.wasm")?);
        std::fs::write(&ca, emulator.ca_pem())?;
        let parts = Parts {
            upstream: upstream.address(),
            google: emulator.google_addr(),
            ca: &ca,
            module: &module,
            keys: &keys,
            tokens,
        };
        let setups = setup::all(parts, folder.path())?;
        let tokens = Tokens::good(emulator.issuer(), tokens);
        Ok(Self { emulator, upstream, tokens, folder, ca, setups })
    }

    /// What there is to measure.
    #[must_use]
    pub fn setups(&self) -> &[Setup] {
        &self.setups
    }

    /// The loads, as they are called in tables.
    #[must_use]
    pub fn loads(&self) -> [String; LOADS.len()] {
        LOADS.map(|load| load.shown(&self.tokens))
    }

    /// Leaves out the setups whose name does not hold this text.
    ///
    /// # Errors
    /// If none is left.
    pub fn keep(&mut self, text: &str) -> io::Result<()> {
        chosen(&mut self.setups, |setup| setup.name, text)
    }

    /// Measures everything, and tells what is being measured.
    ///
    /// # Errors
    /// If something can't be started, or a request is not answered as it must
    /// be: a figure would be worth nothing then.
    pub async fn measure(
        &self,
        times: Times,
        pace: u32,
        processor: u32,
        mut tell: impl FnMut(usize, &Setup),
    ) -> io::Result<Vec<Taken>> {
        let wrk = Wrk::prepare(self.folder.path())?;
        let mut all: Vec<Taken> = self.setups.iter().map(|_| Taken::default()).collect();
        for round in 1..=times.rounds {
            for (setup, taken) in self.setups.iter().zip(&mut all) {
                tell(round, setup);
                let proxy = setup.start(self.site(Some(processor))).await?;
                taken.idle.push(idle::measure(&proxy, &self.tokens.of(Load::Repeated)[0]).await?);
                for (load, samples) in LOADS.into_iter().zip(&mut taken.full) {
                    samples.push(self.full(setup, &proxy, load, &wrk, times).await?);
                }
                taken.paced.push(self.paced(setup, &proxy, pace, times.measured).await?);
                proxy.stop().await?;
            }
        }
        Ok(all)
    }

    /// Sees whether a setup does what it must: a few requests, each answered
    /// with 200 and known at the region.
    ///
    /// # Errors
    /// If not.
    pub async fn check(&self, setup: &Setup) -> io::Result<()> {
        let proxy = setup.start(self.site(None)).await?;
        self.paced(setup, &proxy, 100, Duration::from_millis(200)).await?;
        proxy.stop().await
    }

    fn site(&self, processor: Option<u32>) -> Site<'_> {
        Site {
            google: &self.emulator,
            upstream: self.upstream.address(),
            ca: &self.ca,
            folder: self.folder.path(),
            processor,
        }
    }

    async fn full(
        &self,
        setup: &Setup,
        proxy: &Running,
        load: Load,
        wrk: &Wrk,
        times: Times,
    ) -> io::Result<Sample> {
        let tokens = self.folder.path().join(load.name());
        std::fs::write(&tokens, self.tokens.of(load).join("\n") + "\n")?;
        if !times.warm_up.is_zero() {
            wrk.run(proxy.address(), &tokens, true, times.warm_up).await?;
        }
        let (before, begun) = (self.upstream.arrived(), cpu_time(proxy.process()?)?);
        let count = wrk.run(proxy.address(), &tokens, true, times.measured).await?;
        let (ended, arrived) = (cpu_time(proxy.process()?)?, self.upstream.arrived().since(before));
        let minted = if setup.mints { arrived.minted } else { arrived.all };
        if count.status > 0 || arrived.all < count.requests || minted != arrived.all {
            let why = format!("{}: wrk saw {count:?}, the upstream {arrived:?}", setup.name);
            return Err(io::Error::other(why));
        }
        let cost = ended.saturating_sub(begun).as_secs_f64() * 1e6 / arrived.all.max(1) as f64;
        Ok(count.sample(cost))
    }

    async fn paced(
        &self,
        setup: &Setup,
        proxy: &Running,
        per_second: u32,
        time: Duration,
    ) -> io::Result<[f64; 2]> {
        let before = self.upstream.arrived();
        let tokens = self.tokens.of(Load::Distinct);
        let latencies = pace::latencies(proxy.address(), tokens, per_second, time).await?;
        let arrived = self.upstream.arrived().since(before);
        if setup.mints && arrived.minted < latencies.len() as u64 {
            return Err(io::Error::other(format!("{}: only {arrived:?} arrived", setup.name)));
        }
        let all: Vec<f64> = latencies.iter().map(|it| it.as_secs_f64() * 1000.0).collect();
        let at = |share| percentile(all.clone(), share);
        let both = at(50).zip(at(99)).map(|(half, most)| [half, most]);
        both.ok_or_else(|| io::Error::other("no request was due in that time"))
    }

    /// Stops everything.
    pub async fn stop(self) {
        drop(self.upstream);
        self.emulator.shutdown().await;
    }
}

impl Taken {
    /// The medians of the percentiles 50 and 99 at a steady rate.
    pub(super) fn paced(&self) -> Option<[f64; 2]> {
        let at = |place: usize| median(self.paced.iter().map(|it| it[place]).collect());
        Some([at(0)?, at(1)?])
    }

    /// The medians of the memory before the connections and with them.
    pub(super) fn idle(&self) -> Option<[f64; 2]> {
        let of =
            |part: fn(&Idle) -> u64| median(self.idle.iter().map(|it| part(it) as f64).collect());
        Some([of(|it| it.before)?, of(|it| it.with_connections)?])
    }
}
