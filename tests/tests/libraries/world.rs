//! The emulator with what the libraries' credentials need, and their programs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_emulator::{Config, Emulator, Grant, Provider, Region};
use remint_kept::{Exception, keep_output, source};
use remint_tests::process::PATIENCE;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
pub(crate) const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";
/// Google's token endpoint, as key files name it.
pub(crate) const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

const POOL: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool";
const WORKLOAD: &str = "laptop-7";

/// What would lead the libraries elsewhere than a test says.
const LEADING: [&str; 10] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GCE_METADATA_HOST",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "NO_PROXY",
    "no_proxy",
];

/// How each is told whom to trust.
const TRUSTING: [&str; 4] = [
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
];

/// A language that Google has libraries for, with pinned packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
    Rust,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::Python, Self::Node, Self::Rust];
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let grant = |member: String, role: &str, account: &str| Grant {
            member,
            role: format!("roles/iam.{role}"),
            account: account.into(),
        };
        let mut config = Config::demo();
        config.providers = vec![Provider {
            pool: "pool".into(),
            id: "laptop".into(),
            issuer: "https://issuer.example".into(),
        }];
        config.grants = vec![
            grant(format!("serviceAccount:{GATEWAY}"), "serviceAccountTokenCreator", PUSHER),
            grant(format!("principal:{POOL}/subject/{WORKLOAD}"), "workloadIdentityUser", GATEWAY),
        ];
        let emulator = Emulator::start(config).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), emulator.ca_pem()).unwrap();
        Self { emulator, folder }
    }

    pub(crate) fn google(&self) -> SocketAddr {
        self.emulator.google_addr()
    }

    pub(crate) fn us(&self) -> &Region {
        self.emulator.region("orders", "us-central1").unwrap()
    }

    pub(crate) fn eu(&self) -> &Region {
        self.emulator.region("orders", "europe-west1").unwrap()
    }

    /// A key file of the gateway's account.
    pub(crate) fn key_file(&self, token_url: &str) -> PathBuf {
        let key = self.emulator.new_account_key(GATEWAY).unwrap();
        self.file("key.json", &key.file(token_url))
    }

    /// A workload's credential file, as `gcloud iam workload-identity-pools
    /// create-cred-config` makes it: its tokens are at a URL.
    pub(crate) fn workload_with_url(&self) -> PathBuf {
        let google = self.google();
        let query = format!("pool=pool&provider=laptop&subject={WORKLOAD}");
        self.workload(&json!({
            "url": format!("http://{google}/emulator/external-token?{query}"),
            "headers": { "Metadata": "True" },
            "format": { "type": "json", "subject_token_field_name": "value" },
        }))
    }

    /// One whose token is in a file.
    pub(crate) fn workload_with_file(&self) -> PathBuf {
        let token = self.emulator.external_token("pool", "laptop", WORKLOAD).unwrap();
        self.workload(&json!({ "file": self.file("token", &token) }))
    }

    fn workload(&self, source: &Value) -> PathBuf {
        let file = json!({
            "type": "external_account",
            "universe_domain": "googleapis.com",
            "audience": format!("{POOL}/providers/laptop"),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
        });
        self.file("workload.json", &file.to_string())
    }

    /// The same, and it acts as the gateway's account.
    pub(crate) fn impersonating(&self, workload: &Path) -> PathBuf {
        let text = std::fs::read(workload).unwrap();
        let mut file: Value = serde_json::from_slice(&text).unwrap();
        file["service_account_impersonation_url"] = json!(format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{GATEWAY}:generateAccessToken"
        ));
        self.file("impersonating.json", &file.to_string())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What a program prints, which knows of the emulator by its proxy and CA
    /// alone, and by what `set` says.
    pub(crate) async fn run(
        &self,
        language: Language,
        program: &str,
        arguments: &[&str],
        set: &[(&str, &str)],
        input: &Value,
    ) -> Value {
        let mut command = self.command(language, program);
        command.args(arguments).envs(set.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.to_string().as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{program} takes too long")).unwrap();
        keep_output(source::SCRIPTS, &output, Some(Exception::ScriptsPrintTheirTokens));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{language:?} {program}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn command(&self, language: Language, program: &str) -> Command {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = |folder: &str| {
            let folder = package.join("../target").join(folder);
            assert!(folder.exists(), "{} is missing: cargo xtask setup", folder.display());
            folder
        };
        let scripts = package.join("tests/libraries/scripts");
        let mut command = match language {
            Language::Python => {
                let mut command = Command::new("python3");
                command.arg(scripts.join("python").join(program).with_extension("py"));
                command.env("PYTHONPATH", packages("python"));
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Language::Node => {
                let mut command = Command::new("node");
                command.arg(scripts.join("node").join(program).with_extension("js"));
                command.env("NODE_PATH", packages("node/node_modules"));
                command
            }
            Language::Rust => {
                let mut command = Command::new(example());
                command.arg(program);
                command
            }
        };
        for name in LEADING {
            command.env_remove(name);
        }
        // Where credentials of gcloud's would be.
        command.env("CLOUDSDK_CONFIG", self.folder.path());
        let ca = self.folder.path().join("ca.pem");
        for name in TRUSTING {
            command.env(name, &ca);
        }
        command.env("HTTPS_PROXY", format!("http://{}", self.google()));
        command
    }
}

/// The program with Google's Rust library, which Cargo puts beside the folder of
/// this test.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/google_cloud_auth");
    assert!(program.exists(), "cargo build --package remint-tests --examples");
    program
}

/// The claims of a token.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
