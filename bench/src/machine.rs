//! The machine and the versions that figures are from, and who runs where.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use remint_tests::chain::envoy_program;
use remint_tests::shipped::workspace;

/// Two processors of those that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors {
    /// Envoy's alone.
    pub envoy: u32,
    /// For whoever asks Envoy and whoever answers it.
    pub load: u32,
}

impl Processors {
    /// Picks them, and keeps this process, and all that it starts, off
    /// Envoy's.
    ///
    /// # Errors
    /// If there are less than two, or `taskset` is missing.
    pub fn take() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let allowed = field(&status, "Cpus_allowed_list").unwrap_or_default();
        let processors = Self::of(&listed(allowed)).ok_or_else(|| {
            io::Error::other(format!("two processors are needed, and only {allowed:?} may be used"))
        })?;
        let mut taskset = Command::new("taskset");
        taskset.args(["--all-tasks", "--cpu-list", "--pid", &processors.load.to_string()]);
        match taskset.arg(std::process::id().to_string()).output() {
            Ok(output) if output.status.success() => Ok(processors),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                Err(io::Error::other(format!("taskset failed: {why}")))
            }
            Err(_) => Err(io::Error::other("taskset is missing: apt-get install util-linux")),
        }
    }

    fn of(allowed: &[u32]) -> Option<Self> {
        match allowed {
            [envoy, .., load] => Some(Self { envoy: *envoy, load: *load }),
            _ => None,
        }
    }
}

/// What is written above the figures.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The day, as in 2024-05-14.
    pub date: String,
    /// The processor's model.
    pub processor: String,
    /// How many processors the machine has.
    pub processors: usize,
    /// Envoy's version.
    pub envoy: String,
    /// The commit that was measured.
    pub commit: String,
}

impl Machine {
    /// This machine, today.
    ///
    /// # Errors
    /// If there is no Envoy.
    pub fn this() -> io::Result<Self> {
        let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let version = printed(Command::new(envoy_program()?).arg("--version"));
        Ok(Self {
            date: now.split('T').next().unwrap_or_default().to_owned(),
            processor: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            processors: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            envoy: version_in(&version).unwrap_or("unknown").to_owned(),
            commit: commit(),
        })
    }
}

/// The memory of a process that is not swapped out, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn resident_bytes(process: u32) -> io::Result<u64> {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"))?;
    field(&status, "VmRSS")
        .and_then(|text| text.strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("the system does not say how much memory Envoy has"))
}

/// The processor time that a process has taken so far.
///
/// # Errors
/// If there is no such process.
pub fn cpu_time(process: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"))?;
    cpu_time_in(&stat)
        .ok_or_else(|| io::Error::other("the system does not say how long Envoy has run"))
}

/// User and system time are the fields 14 and 15, in hundredths of a second
/// (proc_pid_stat(5)). The second one, a name, may hold spaces.
fn cpu_time_in(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut hundredths = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (hundredths()? + hundredths()?)))
}

/// The value of the first line `NAME: VALUE`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name)?.1.into()
}

/// `0-2,5` are 0, 1, 2 and 5.
fn listed(text: &str) -> Vec<u32> {
    let ranges = text.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// `… version: HASH/1.40.0/Clean/RELEASE/BoringSSL`.
fn version_in(text: &str) -> Option<&str> {
    text.split_once("version: ")?.1.split('/').nth(1)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        printed(Command::new("git").arg("-C").arg(workspace()).args(arguments))
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    // The page itself is not what is measured.
    let changed = git(&["status", "--porcelain", "--", ".", ":!bench/*.md"]);
    match (commit.is_empty(), changed.is_empty()) {
        (true, _) => "unknown".to_owned(),
        (_, true) => commit,
        (_, false) => format!("{commit} with changes"),
    }
}

/// What a program prints; nothing if it fails.
fn printed(command: &mut Command) -> String {
    match command.output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_and_the_load_get_different_processors() {
        assert_eq!(listed("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(Processors::of(&listed("0-2,5")), Some(Processors { envoy: 0, load: 5 }));
        assert_eq!(Processors::of(&listed("3")), None);
        assert_eq!(Processors::of(&listed("")), None);
    }

    #[test]
    fn what_programs_and_the_system_print_is_read() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS"), Some("12 kB"));
        assert_eq!(version_in("envoy  version: abc/1.40.0/Clean/RELEASE/B"), Some("1.40.0"));
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 33 0 0 20 0";
        assert_eq!(cpu_time_in(stat), Some(Duration::from_millis(2830)));
        assert!(cpu_time(std::process::id()).is_ok());
    }
}
