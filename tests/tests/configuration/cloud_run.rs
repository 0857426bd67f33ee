//! The files for Cloud Run: each is right, and they agree with each other.
//! Only Cloud Run itself can tell whether it takes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use remint_gateway::config::{Config, Environment};
use remint_tests::shipped::{read, workspace};
use serde_json::{Value, json};

use super::documents::Gateway;

/// From SIGTERM to SIGKILL:
/// <https://cloud.google.com/run/docs/container-contract#instance-shutdown>.
const GRACE: Duration = Duration::from_secs(10);

fn folder() -> PathBuf {
    workspace().join("deploy/cloud-run")
}

fn service() -> Value {
    read(&folder().join("service.yaml")).unwrap()
}

fn revision() -> Value {
    service()["spec"]["template"]["spec"].take()
}

fn container() -> Value {
    let mut revision = revision();
    assert_eq!(revision["containers"].as_array().unwrap().len(), 1);
    revision["containers"][0].take()
}

/// As the gateway reads it on Cloud Run.
fn config() -> Config {
    let port = container()["ports"][0]["containerPort"].to_string();
    let environment = Environment { port: Some(port), ..Environment::default() };
    Config::load(&folder().join("remint.yaml"), &environment).unwrap()
}

/// The instructions of the Dockerfile: name and rest of each.
fn instructions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts = lines.map(|line| line.split_once(' ').expect(line));
    parts.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

/// What follows the only instruction of this name in the last stage.
fn in_image(name: &str) -> String {
    let instructions = instructions();
    let last = instructions.rsplit(|(name, _)| name == "FROM").next().unwrap();
    let all: Vec<_> = last.iter().filter(|it| it.0 == name).collect();
    assert_eq!(all.len(), 1, "{name}: {all:?}");
    all[0].1.clone()
}

/// What `.dockerignore` lets through.
fn context() -> BTreeSet<String> {
    let text = std::fs::read_to_string(workspace().join(".dockerignore")).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "what is not named stays away");
    lines.map(|line| line.strip_prefix('!').expect(line).to_owned()).collect()
}

#[test]
fn the_service_has_these_settings_and_no_others() {
    let service = service();
    assert_eq!(service["apiVersion"], "serving.knative.dev/v1");
    assert_eq!(service["kind"], "Service");
    assert_eq!(
        service["metadata"]["annotations"],
        json!({
            "run.googleapis.com/invoker-iam-disabled": "true",
            "run.googleapis.com/ingress": "internal-and-cloud-load-balancing",
            "run.googleapis.com/minScale": "1",
            "run.googleapis.com/maxScale": "50",
        })
    );
    assert_eq!(
        service["spec"]["template"]["metadata"]["annotations"],
        json!({
            "run.googleapis.com/cpu-throttling": "false",
            "run.googleapis.com/startup-cpu-boost": "true",
            "run.googleapis.com/network-interfaces":
                r#"[{"network":"remint","subnetwork":"remint"}]"#,
            "run.googleapis.com/vpc-access-egress": "all-traffic",
        })
    );
}

#[test]
fn the_configuration_is_right_by_its_schema_and_to_its_reader() {
    let document = read(&folder().join("remint.yaml")).unwrap();
    assert_eq!(Gateway.violations(&document), [""; 0]);
    assert_eq!(Gateway.mistakes(&document), [""; 0]);
}

#[test]
fn the_gateway_listens_where_cloud_run_sends_requests_and_probes() {
    let (container, config) = (container(), config());
    assert_eq!(container["ports"].as_array().unwrap().len(), 1);
    assert_eq!(container["ports"][0]["name"], "h2c");
    assert!(config.listen.ip().is_unspecified() && config.admin.ip().is_unspecified());
    assert_eq!(json!(config.listen.port()), container["ports"][0]["containerPort"]);
    for probe in ["startupProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], json!(config.admin.port()), "{probe}");
    }
    assert_ne!(config.listen.port(), config.admin.port());
    assert!(config.tls.is_none(), "Cloud Run's front end has done it");
}

/// A restart cures no missing keys.
#[test]
fn only_the_start_waits_for_keys_and_tokens() {
    let container = container();
    assert_eq!(container["startupProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
    let start = &container["startupProbe"];
    let number = |name: &str| start[name].as_u64().unwrap();
    // Cloud Run allows no more.
    assert!(number("periodSeconds") * number("failureThreshold") <= 240);
    assert!(number("timeoutSeconds") <= number("periodSeconds"));
}

#[test]
fn the_image_looks_for_its_configuration_where_the_secret_is_mounted() {
    let (mut revision, container) = (revision(), container());
    let (mount, volume) = (&container["volumeMounts"][0], revision["volumes"][0].take());
    assert_eq!(mount["name"], volume["name"]);
    let [item] = &volume["secret"]["items"].as_array().unwrap()[..] else {
        panic!("{volume}");
    };
    let file = |of: &Value| of.as_str().unwrap().to_owned();
    let mounted = Path::new(&file(&mount["mountPath"])).join(file(&item["path"]));
    assert_eq!(in_image("ENV"), format!("REMINT_CONFIG={}", mounted.display()));
    // A number in quotes: the configuration of a revision does not change.
    assert!(file(&item["key"]).parse::<u32>().is_ok(), "{item}");
    assert_eq!(config().reload_interval, Duration::ZERO);
    assert!(config().files.is_empty(), "the image holds no other files");
}

#[test]
fn a_drain_is_over_before_cloud_run_kills_the_instance() {
    let config = config();
    assert!(config.drain_delay + config.drain_timeout < GRACE);
}

#[test]
fn cloud_run_sends_no_more_requests_than_the_gateway_takes() {
    let (revision, config) = (revision(), config());
    let at_a_time = usize::try_from(revision["containerConcurrency"].as_u64().unwrap()).unwrap();
    assert!((1..=1000).contains(&at_a_time), "Cloud Run allows no more");
    assert!(config.limits.in_flight.max >= at_a_time);
    assert!(usize::try_from(config.limits.max_streams).unwrap() >= at_a_time);
    assert!(config.limits.max_connections >= at_a_time);
}

#[test]
fn the_gateway_gives_up_before_cloud_run_does() {
    let timeout = Duration::from_secs(revision()["timeoutSeconds"].as_u64().unwrap());
    assert!(timeout <= Duration::from_secs(3600), "Cloud Run allows no more");
    let config = config();
    assert!(config.upstream.response_timeout < timeout);
    let routes = config.services.iter().flat_map(|service| &service.routes);
    assert!(routes.filter_map(|route| route.attempts.timeout).all(|own| own < timeout));
}

#[test]
fn the_image_is_built_with_the_workspace_s_compiler_and_runs_without_root() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let version = version.trim_matches('"');
    let from: Vec<String> =
        instructions().into_iter().filter(|it| it.0 == "FROM").map(|it| it.1).collect();
    // Debian 13 is trixie: the program gets the glibc that it was linked to.
    assert_eq!(
        from,
        [
            format!("rust:{version}-trixie AS build"),
            "gcr.io/distroless/cc-debian13:nonroot".to_owned()
        ]
    );
    let user = in_image("USER");
    let numbers: Vec<u32> = user.split(':').map(|it| it.parse().unwrap()).collect();
    assert!(numbers.iter().all(|&number| number > 0), "{user}");
}

#[test]
fn the_image_holds_the_program_that_the_build_stage_makes() {
    let build = "cargo build --release --locked --package remint-gateway --bin remint";
    let instructions = instructions();
    assert!(instructions.contains(&("RUN".to_owned(), build.to_owned())));
    let folder = instructions.iter().find(|(name, _)| name == "WORKDIR").unwrap().1.clone();
    let program: [String; 1] = serde_json::from_str(&in_image("ENTRYPOINT")).unwrap();
    let copied = format!("--from=build {folder}/target/release/remint {}", program[0]);
    assert_eq!(in_image("COPY"), copied);
}

/// Without one of them Cargo reads nothing at all.
#[test]
fn the_build_gets_every_member_of_the_workspace_and_nothing_that_is_not_there() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    let top = members.iter().map(|member| member.split('/').next().unwrap().to_owned());
    let needed = top.chain(["Cargo.toml", "Cargo.lock"].map(str::to_owned));
    assert_eq!(context(), needed.chain(included()).collect());
}

/// The folders at the top from which files go into the program.
fn included() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in ["gateway", "filter", "idtoken"] {
        for file in sources(&workspace().join(name).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            let calls = ["include_str!(\"", "include_bytes!(\""];
            for part in calls.iter().flat_map(|call| text.split(call).skip(1)) {
                let target = file.with_file_name(part.split('"').next().unwrap());
                let target = target.canonicalize().unwrap();
                let inside = target.strip_prefix(workspace().canonicalize().unwrap()).unwrap();
                let top = inside.components().next().unwrap();
                found.insert(top.as_os_str().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// The source files below a folder, without those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is = |name: &str| path.file_name().unwrap() == name;
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") && !is("tests.rs") {
            all.push(path);
        }
    }
    all
}

/// Everything that the README says of files and names can be found in them.
#[test]
fn the_commands_in_the_readme_use_the_names_in_the_files() {
    let text = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let (revision, service) = (revision(), service());
    let account = revision["serviceAccountName"].as_str().unwrap();
    let (account, _) = account.split_once('@').unwrap();
    let secret = revision["volumes"][0]["secret"]["secretName"].as_str().unwrap();
    let image = container()["image"].as_str().unwrap().to_owned();
    let (repository, _) = image.split_once(':').unwrap();
    let name = service["metadata"]["name"].as_str().unwrap();
    for part in [
        format!("gcloud iam service-accounts create {account}"),
        format!("gcloud secrets create {secret}"),
        repository.replace("demo-project", "$project"),
        format!("--cloud-run-service {name}"),
        "--file deploy/cloud-run/Dockerfile".to_owned(),
        "gcloud run services replace deploy/cloud-run/service.yaml".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is not in the README");
    }
}
