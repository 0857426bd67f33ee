//! The environment in which Google's libraries and gcloud use the emulator.

use serde::Serialize;

/// A variable, with what reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// The value, as it is, without quotes.
    pub value: String,
    /// What it does.
    pub what: &'static str,
}

/// For an emulator whose Google listener is at `google`, `ADDRESS:PORT`.
///
/// `GCE_METADATA_HOST` is read by Google's libraries in all languages, and
/// `GCE_METADATA_IP` by Python's to find out whether there is a metadata server
/// (google-auth, `compute_engine/_metadata.py`); `GCE_METADATA_ROOT` by gcloud
/// (`core/credentials/gce_read.py`); `PUBSUB_EMULATOR_HOST` by the libraries for
/// Pub/Sub; the last ones by gcloud (`gcloud topic endpoint-override`).
#[must_use]
pub fn variables(google: &str, project: &str) -> Vec<Variable> {
    let (google, project) = (google.to_owned(), project.to_owned());
    let url = format!("http://{google}/");
    [
        ("REMINT_EMULATOR", &google, "where remint-emulator's commands find it"),
        ("GCE_METADATA_HOST", &google, "Google's client libraries find the metadata server"),
        ("GCE_METADATA_IP", &google, "Google's Python libraries find out that there is one"),
        ("GCE_METADATA_ROOT", &google, "gcloud finds the metadata server"),
        ("GOOGLE_CLOUD_PROJECT", &project, "Google's client libraries know the project"),
        ("PUBSUB_EMULATOR_HOST", &google, "Google's libraries for Pub/Sub call it"),
        ("CLOUDSDK_CORE_PROJECT", &project, "gcloud knows the project"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB", &url, "gcloud pubsub calls it"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS", &url, "gcloud tasks calls it"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER", &url, "gcloud scheduler calls it"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &url, "gcloud impersonates by it"),
    ]
    .map(|(name, value, what)| Variable { name, value: value.clone(), what })
    .into()
}

/// For programs whose libraries call Google's hosts whatever the other variables
/// say: the emulator is their proxy too, and `authority` is the file with the
/// certificate that they then have to trust, and trust alone.
///
/// Which library reads which: `https_proxy` in lower case curl and gRPC; the
/// files OpenSSL, Go and Rust (`SSL_CERT_FILE`), Python's requests, Node, gRPC,
/// and gcloud (its property `core/custom_ca_certs_file`).
#[must_use]
pub fn proxy_variables(google: &str, authority: &str) -> Vec<Variable> {
    let url = format!("http://{google}");
    let proxy = |name| Variable {
        name,
        value: url.clone(),
        what: "calls to Google's hosts come to the emulator",
    };
    let direct = |name| Variable {
        name,
        value: "localhost,127.0.0.1,::1".to_owned(),
        what: "calls to this machine need no proxy",
    };
    let trust =
        |name| Variable { name, value: authority.to_owned(), what: "its certificates are trusted" };
    let files = [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    ];
    let proxies = ["HTTPS_PROXY", "https_proxy"].map(proxy).into_iter();
    proxies.chain(["NO_PROXY", "no_proxy"].map(direct)).chain(files.map(trust)).collect()
}
