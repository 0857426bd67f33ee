//! The figures as a page in Markdown.

use std::fmt;
use std::path::{Path, PathBuf};

use super::idle::CONNECTIONS;
use super::run::{LOADS, Taken};
use super::setup::{ENVOY, ENVOY_CACHED, OPEN};
use crate::figures::{Summary, ratio};
use crate::machine::Machine;
use crate::report::{LATENCY, grouped, write_figures, write_heads, write_title};
use crate::run::Times;
use crate::wrk;

/// Everything that the page tells.
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// The command that did it.
    pub command: String,
    /// How long.
    pub times: Times,
    /// Requests per second where latencies are compared.
    pub pace: u32,
    /// The loads in words.
    pub loads: [String; LOADS.len()],
    /// The setups' names and what was measured of them.
    pub all: Vec<(&'static str, Taken)>,
}

/// Where the page is, unless told otherwise.
#[must_use]
pub fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.md")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_full(f)?;
        self.write_paced(f)?;
        self.write_idle(f)
    }
}

impl Report {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_title(f, "How fast the gateway is", &self.machine, &self.command)?;
        let [rounds, measured, warm_up] = self.times.in_words();
        write!(
            f,
            "Each proxy had one processor to itself (Envoy with one worker); wrk (one thread,\n\
             {} keep-alive connections) and the region, a plain HTTP server, had another.\n\
             Each request is a `POST` of 200 bytes with the headers of a Pub/Sub push, over\n\
             HTTP/1.1; the proxies verify its token (RS256, 2,048 bits) and send it on with a\n\
             token from the metadata server for the region. `gcp_authn` mints once for all\n\
             requests of a cluster, so in both a minted token is at hand. Assertions are signed\n\
             once for each caller and region, and kept for half a minute. An access log has a\n\
             line of JSON for every request, and goes to a pipe that is read; without it Envoy\n\
             logs nothing, and Remint what is refused or fails. All setups took turns for\n\
             {rounds}: a fresh proxy, then each load for {measured} after {warm_up} of warm-up.\n\
             Figures are medians of the rounds; ratios are of requests per second and, in\n\
             brackets, of requests per second of the proxy's processor time. Every answer was\n\
             checked to be 200, and every request that arrived at the region to carry a token\n\
             for it.\n",
            wrk::CONNECTIONS,
        )
    }

    fn write_full(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\n## As many requests as they take\n\n")?;
        let heads = ["proxy", "tokens", "requests/s", "lowest to highest"];
        let ratios =
            ["to `jwt_authn` and `gcp_authn`", "the same with cache", "to no verification"];
        write_heads(f, 2, &[&heads[..], &ratios, &LATENCY].concat())?;
        for (place, load) in self.loads.iter().enumerate() {
            let summary = |taken: &Taken| Summary::of(taken.full.get(place)?);
            let base = |name: &str| self.all.iter().find(|it| it.0 == name)?.1.full.get(place);
            let bases = [ENVOY, ENVOY_CACHED, OPEN].map(|name| Summary::of(base(name)?));
            for (name, taken) in &self.all {
                if let Some(summary) = summary(taken) {
                    write!(f, "| {name} | {load}")?;
                    write_figures(f, &summary, &bases.each_ref().map(Option::as_ref))?;
                }
            }
        }
        Ok(())
    }

    fn write_paced(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pace = grouped(&self.pace.to_string());
        write!(
            f,
            "\n## Latency at equal load\n\n\
             {pace} requests in a second, distinct tokens, each at its time whatever became of\n\
             those before. A request whose connection was busy when it was due has waited\n\
             since then.\n\n"
        )?;
        write_heads(f, 1, &["proxy", "p50 ms", "p99 ms", "p99 to `jwt_authn` and `gcp_authn`"])?;
        let paced = |name| self.all.iter().find(|it| it.0 == name)?.1.paced();
        let base = paced(ENVOY);
        for (name, taken) in &self.all {
            if let Some([half, most]) = taken.paced() {
                write!(f, "| {name} | {half:.2} | {most:.2} | ")?;
                match base.and_then(|base| ratio(most, base[1])) {
                    Some(ratio) => writeln!(f, "{ratio:.2} |")?,
                    None => writeln!(f, "|")?,
                }
            }
        }
        Ok(())
    }

    fn write_idle(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped(&CONNECTIONS.to_string());
        write!(
            f,
            "\n## Memory at {count} idle connections\n\n\
             Resident memory of a fresh proxy, before {count} connections and while they\n\
             wait after one request each.\n\n"
        )?;
        write_heads(f, 1, &["proxy", "MiB before", "MiB with them", "KiB a connection"])?;
        for (name, taken) in &self.all {
            if let Some([before, with]) = taken.idle() {
                let mib = |bytes: f64| bytes / f64::from(1 << 20);
                let each = (with - before) / 1024.0 / CONNECTIONS as f64;
                writeln!(f, "| {name} | {:.1} | {:.1} | {each:.1} |", mib(before), mib(with))?;
            }
        }
        Ok(())
    }
}
