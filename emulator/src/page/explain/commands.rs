//! The commands that mend what is wrong.

use remint_idtoken::shell_word;

use super::Known;
use crate::timeline::{Call, Part};

/// Cloud Run's documentation, "Use custom audiences for authentication".
pub(super) fn add_audience(call: &Call, audience: &str) -> Option<String> {
    let is_one = !audience.is_empty() && !audience.contains(", ");
    is_one.then(|| {
        format!(
            "gcloud run services update {} --region={} --add-custom-audiences={}",
            shell_word(&call.service),
            shell_word(&call.region),
            shell_word(audience)
        )
    })
}

/// Grants somebody a role where the call came to.
pub(super) fn binding(call: &Call, known: &Known, member: &str, role: &str) -> String {
    let (service, region) = (shell_word(&call.service), shell_word(&call.region));
    let what = match (call.part, known.is_function) {
        (Part::Iap, _) => "gcloud iap web add-iam-policy-binding --resource-type=backend-services \
             --service=BACKEND_SERVICE"
            .to_owned(),
        (_, true) => format!("gcloud functions add-iam-policy-binding {service} --region={region}"),
        (_, false) => {
            format!("gcloud run services add-iam-policy-binding {service} --region={region}")
        }
    };
    format!("{what} --member={} --role={role}", shell_word(member))
}

/// A member as IAM writes it (IAM, "Principal identifiers"). What the emulator
/// knows of people and of accounts is their address.
pub(super) fn member(email: &str) -> String {
    match email.ends_with(".gserviceaccount.com") {
        true => format!("serviceAccount:{email}"),
        false => format!("user:{email}"),
    }
}
