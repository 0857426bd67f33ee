//! A front end's refusal among the last refusals, for people who ask why.

use remint_idtoken::{Reason, safe};
use serde_json::{Value, json};

use crate::front_end::likely_cause;

/// A region's front end refused the gateway itself.
pub(crate) struct FrontEndRefusal<'r> {
    /// Whose request it was.
    pub(crate) rule: &'r str,
    pub(crate) service: &'r str,
    pub(crate) region: &'r str,
    pub(crate) status: u16,
    /// What the gateway called with.
    pub(crate) audience: &'r str,
    pub(crate) account: Option<&'r str>,
    pub(crate) reason: Reason,
    pub(crate) command: Option<&'r str>,
}

impl FrontEndRefusal<'_> {
    /// With the members of a refusal of the policy's where they mean the same,
    /// and `region`, which those do not have.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "reason": self.reason.code(),
            "message": self.reason.summary(),
            "status": self.status,
            "docs": self.reason.docs(),
            "rule": self.rule,
            "service": self.service,
            "region": self.region,
            "caller": self.account.map(safe),
            "received": safe(self.audience),
            "remedy": likely_cause(self.reason),
            "command": self.command,
        })
    }
}
