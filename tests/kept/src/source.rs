//! Where things are put out, and who must have been heard of.

/// What `cargo test` prints: names of tests, and what failed ones say.
pub const CARGO_TEST: &str = "cargo-test";
/// A gateway's log that runs inside a test, at its most talkative.
pub const GATEWAY_LOG: &str = "gateway-log";
/// What callers and regions see of a gateway: its own errors among them.
pub const GATEWAY_ANSWERS: &str = "gateway-answers";
/// What a gateway's admin listener answers beside the next two: status, walks,
/// readiness, refusals of its own.
pub const ADMIN: &str = "admin";
/// Its page for people.
pub const ADMIN_PAGE: &str = "admin-page";
/// Metrics, the gateway's and Envoy's.
pub const METRICS: &str = "metrics";
/// What the emulator answers: its front ends, APIs, page, timeline.
pub const EMULATOR_ANSWERS: &str = "emulator-answers";
/// What any part of the whole chain answers: Envoy with the filter first.
pub const CHAIN_ANSWERS: &str = "chain-answers";
/// What the emulator has noted of every call.
pub const TIMELINE: &str = "timeline";
/// Pages as a browser has rendered them.
pub const RENDERED: &str = "rendered-pages";
/// Programs, by their names: what they print and log.
pub const REMINT: &str = "remint";
/// As [`REMINT`].
pub const REMINT_EMULATOR: &str = "remint-emulator";
/// As [`REMINT`].
pub const REMINT_DEMO: &str = "remint-demo";
/// As [`REMINT`]: with the filter's log, and the access log.
pub const ENVOY: &str = "envoy";
/// What the doctor has found, inside a test.
pub const DOCTOR: &str = "doctor";
/// Scripts of tests: Google's libraries, and shells.
pub const SCRIPTS: &str = "scripts";

/// Where an answer of an admin listener belongs.
#[must_use]
pub fn of_admin(path: &str) -> &'static str {
    match path.split('?').next() {
        Some("/") => ADMIN_PAGE,
        Some("/metrics" | "/stats" | "/stats/prometheus") => METRICS,
        _ => ADMIN,
    }
}

/// Each package with what its tests must have kept in a whole run.
pub const EXPECTED: [(&str, &str); 23] = [
    ("xtask", CARGO_TEST),
    ("remint-gateway", GATEWAY_LOG),
    ("remint-gateway", GATEWAY_ANSWERS),
    ("remint-gateway", ADMIN),
    ("remint-gateway", ADMIN_PAGE),
    ("remint-gateway", METRICS),
    ("remint-gateway", DOCTOR),
    ("remint-gateway", REMINT),
    ("remint-gateway", SCRIPTS),
    ("remint-emulator", EMULATOR_ANSWERS),
    ("remint-emulator", TIMELINE),
    ("remint-emulator", REMINT_EMULATOR),
    ("remint-emulator", SCRIPTS),
    ("remint-tests", CHAIN_ANSWERS),
    ("remint-tests", TIMELINE),
    ("remint-tests", ENVOY),
    ("remint-tests", REMINT),
    ("remint-tests", REMINT_DEMO),
    ("remint-tests", ADMIN),
    ("remint-tests", ADMIN_PAGE),
    ("remint-tests", METRICS),
    ("remint-tests", RENDERED),
    ("remint-tests", SCRIPTS),
];

/// What of [`EXPECTED`] is missing among files that were kept (their sources
/// and names, as [`search::Found`](crate::search::Found) has them).
#[must_use]
pub fn missing(files: &[(String, String)]) -> Vec<String> {
    let is_kept = |(package, source): &(&str, &str)| {
        let of_package = |name: &str| name.split('.').next() == Some(package);
        files.iter().any(|(kept, name)| kept == source && of_package(name))
    };
    let missing = EXPECTED.iter().filter(|it| !is_kept(it));
    missing.map(|(package, source)| format!("{source} of {package}")).collect()
}
