//! The environment in which Google's libraries and gcloud use the emulator.

use std::fmt::Write;

/// The variables and their values, for an emulator whose Google listener is at
/// `google`.
///
/// `GCE_METADATA_HOST` is read by Google's libraries in all languages, and
/// `GCE_METADATA_IP` by Python's to find out whether there is a metadata server
/// (google-auth, `compute_engine/_metadata.py`); `GCE_METADATA_ROOT` by gcloud
/// (`core/credentials/gce_read.py`); `PUBSUB_EMULATOR_HOST` by the libraries for
/// Pub/Sub; the last ones by gcloud (`gcloud topic endpoint-override`).
pub(super) fn variables(google: &str, project: &str) -> Vec<(&'static str, String)> {
    let url = format!("http://{google}/");
    vec![
        ("REMINT_EMULATOR", google.to_owned()),
        ("GCE_METADATA_HOST", google.to_owned()),
        ("GCE_METADATA_IP", google.to_owned()),
        ("GCE_METADATA_ROOT", google.to_owned()),
        ("GOOGLE_CLOUD_PROJECT", project.to_owned()),
        ("PUBSUB_EMULATOR_HOST", google.to_owned()),
        ("CLOUDSDK_CORE_PROJECT", project.to_owned()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB", url.clone()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS", url.clone()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER", url.clone()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", url),
    ]
}

/// The same as lines for a shell. No value needs quotes: all are made of
/// addresses and of ids of projects.
pub(super) fn lines(google: &str, project: &str, indent: &str) -> String {
    variables(google, project).iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{indent}export {name}={value}");
        text
    })
}
