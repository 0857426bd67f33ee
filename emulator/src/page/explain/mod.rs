//! Why a call did not go on, and what to do, in words: what was expected beside
//! what came, and the command that mends it.

mod commands;

use remint_idtoken::{Reason, shell_word};
use serde::Serialize;

use crate::config::{Agent, Ingress};
use crate::origin::Origin;
use crate::timeline::{Call, Part, Verdict};
use commands::{add_audience, binding, member};

/// An explanation. Holds claims and settings, never a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Explanation {
    /// What is wrong, in a sentence without a full stop.
    summary: String,
    /// Any of these would have been right.
    expected: Vec<String>,
    /// What came instead.
    received: Option<String>,
    /// What to do, in a sentence without a full stop.
    advice: Option<String>,
    /// The command that does it.
    command: Option<String>,
}

/// What is known of the part that a call came to, beside the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The audiences that it takes.
    pub(super) audiences: Vec<String>,
    /// Who may call it.
    pub(super) invokers: Vec<String>,
    /// Who is let in at all.
    pub(super) ingress: Ingress,
    /// Whether it was called as a function of the first generation.
    pub(super) is_function: bool,
    /// The service and region whose audience the token's is, if it is another's.
    pub(super) audience_of: Option<(String, String)>,
    pub(super) project_number: u64,
}

/// The explanation of a call that did not go on; none of one that did.
pub(super) fn explain(call: &Call, known: &Known) -> Option<Explanation> {
    let explained = match call.verdict {
        Verdict::Accepted => return None,
        Verdict::Refused { code, .. } => refused(call, known, code),
        Verdict::NotSent => not_sent(call, known),
        Verdict::Failed => failed(call),
        Verdict::Answered(status) => answered(status)?,
    };
    Some(explained)
}

fn refused(call: &Call, known: &Known, code: &'static str) -> Explanation {
    let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code);
    match (call.part, reason) {
        (Part::FrontEnd, Some(Reason::IngressRefused)) => ingress(call, known),
        (Part::FrontEnd | Part::Iap, Some(reason)) if reason.is_about_audience() => {
            audience(call, known, reason)
        }
        (Part::FrontEnd, Some(Reason::InvokerMissing))
        | (Part::Iap, Some(Reason::IapAccessMissing)) => caller(call, known),
        (Part::FrontEnd | Part::Iap, Some(Reason::TokenMissing)) => missing(call, known),
        (Part::FrontEnd, Some(Reason::SignatureRemoved)) => Explanation {
            summary: Reason::SignatureRemoved.summary().to_owned(),
            advice: Some(
                "this is a token that a service was called with, passed on: mint a new one for \
                 this region, and send the caller's own token in another header"
                    .to_owned(),
            ),
            ..Explanation::default()
        },
        (_, Some(reason)) => Explanation {
            summary: call.note.clone().unwrap_or_else(|| reason.summary().to_owned()),
            advice: Some(reason.entry().advice.to_owned()),
            ..Explanation::default()
        },
        (_, None) => Explanation {
            summary: call.note.clone().unwrap_or_else(|| code.replace('_', " ")),
            ..Explanation::default()
        },
    }
}

fn audience(call: &Call, known: &Known, reason: Reason) -> Explanation {
    let received = call.audience.clone().unwrap_or_default();
    let summary = match &known.audience_of {
        Some((service, region)) => {
            format!(
                "the token was made for {service} in {region}, and each region has its own audiences"
            )
        }
        None => reason.summary().to_owned(),
    };
    let right = known.audiences.first().map(String::as_str);
    let (advice, command) = match (call.part, right) {
        (Part::Iap, _) => ("mint the token for the OAuth client that IAP is set up with", None),
        (_, Some(right))
            if known.is_function
                && received.starts_with("https://")
                && right.starts_with(&received) =>
        {
            ("mint the token for the function's whole URL, path included", None)
        }
        _ if known.is_function => ("mint the token for the function's whole URL", None),
        _ if known.audience_of.is_some() || reason == Reason::AudienceOtherRegion => (
            "mint a token for this region: whoever picks the region has to mint after picking",
            None,
        ),
        (_, Some(right)) if received.starts_with(right) => (
            "mint the token for the bare origin, without path and query: audiences are compared letter by letter",
            None,
        ),
        _ if reason == Reason::AudienceIsIapClient => (
            "this is the audience of tokens for IAP: mint the token for an audience of this region",
            None,
        ),
        _ if reason == Reason::AudienceTrailingSlash => {
            ("remove the slash from the audience, or add it, as an accepted one has it", None)
        }
        _ if !matches!(reason, Reason::AudienceMismatch | Reason::AudienceIsLoadBalancer) => {
            (reason.entry().advice, None)
        }
        _ => (
            "mint the token for an audience of this region, or add the received one to its custom audiences",
            add_audience(call, &received),
        ),
    };
    Explanation {
        summary,
        expected: known.audiences.clone(),
        received: call.audience.clone(),
        advice: Some(advice.to_owned()),
        command,
    }
}

fn caller(call: &Call, known: &Known) -> Explanation {
    let caller = call.caller.as_deref();
    let Some(email) = caller.filter(|caller| caller.contains('@')) else {
        return Explanation {
            summary: "the token does not tell its account's address".to_owned(),
            expected: known.invokers.clone(),
            received: caller.map(|subject| format!("subject {subject}")),
            advice: Some(
                "ask for a token that tells it: format=full at the metadata server, includeEmail \
                 at IAM Credentials"
                    .to_owned(),
            ),
            command: None,
        };
    };
    let role = match (call.part, known.is_function) {
        (Part::Iap, _) => "roles/iap.httpsResourceAccessor",
        (_, true) => "roles/cloudfunctions.invoker",
        (_, false) => "roles/run.invoker",
    };
    Explanation {
        summary: format!("{email} does not have {role} here"),
        expected: known.invokers.clone(),
        received: Some(email.to_owned()),
        advice: Some(match call.part {
            Part::Iap => {
                "grant the role on the backend service, or call as somebody who has it".to_owned()
            }
            _ => "grant the role in this region (each region has its own policy), or call as an \
                  account that has it"
                .to_owned(),
        }),
        command: Some(binding(call, known, &member(email), role)),
    }
}

fn missing(call: &Call, known: &Known) -> Explanation {
    let advice = match call.part {
        Part::Iap => {
            "send an ID token for the OAuth client in Authorization or Proxy-Authorization"
        }
        _ => {
            "send an ID token for an audience of this region in Authorization, as \"Bearer TOKEN\""
        }
    };
    let audience = known.audiences.first();
    Explanation {
        summary: Reason::TokenMissing.summary().to_owned(),
        expected: known.audiences.clone(),
        received: None,
        advice: Some(advice.to_owned()),
        command: audience.map(|audience| {
            format!(
                "gcloud auth print-identity-token --impersonate-service-account=SERVICE_ACCOUNT_EMAIL \
                 --audiences={} --include-email",
                shell_word(audience)
            )
        }),
    }
}

/// Cloud Run's documentation, "Restrict network endpoint ingress for services".
fn ingress(call: &Call, known: &Known) -> Explanation {
    let (setting, expected): (_, &[&str]) = match known.ingress {
        Ingress::All => ("all", &["any network"]),
        Ingress::InternalAndLoadBalancing => (
            "internal-and-cloud-load-balancing",
            &["the load balancer", "the project's VPC network", "senders of the project"],
        ),
        Ingress::Internal => ("internal", &["the project's VPC network", "senders of the project"]),
    };
    let advice = match known.ingress {
        Ingress::InternalAndLoadBalancing => {
            "call the load balancer, or leave through the VPC network: Direct VPC egress or a \
             connector, with Private Google Access"
        }
        _ => {
            "leave through the VPC network: Direct VPC egress or a connector, with Private Google \
             Access; or let everybody in, which IAM still checks"
        }
    };
    Explanation {
        summary: format!("the service's ingress is {setting:?}, and the call came from elsewhere"),
        expected: expected.iter().map(|&it| it.to_owned()).collect(),
        received: call.origin.map(|origin| network(origin).to_owned()),
        advice: Some(advice.to_owned()),
        command: Some(format!(
            "gcloud run services update {} --region={} --ingress=all",
            shell_word(&call.service),
            shell_word(&call.region)
        )),
    }
}

fn network(origin: Origin) -> &'static str {
    match origin {
        Origin::Internet => "the internet",
        Origin::LoadBalancer => "a load balancer",
        Origin::Vpc => "the project's VPC network",
        Origin::Sender => "a sender of the project",
    }
}

fn not_sent(call: &Call, known: &Known) -> Explanation {
    let note = call.note.as_deref().unwrap_or("nothing was sent");
    let agent = match call.part {
        Part::Sender(agent) if note.starts_with(Reason::SenderMayNotMint.code()) => agent,
        _ => return Explanation { summary: note.to_owned(), ..Explanation::default() },
    };
    may_not_mint(agent, call.caller.as_deref(), known.project_number)
}

/// Pub/Sub's documentation, "Authentication for push subscriptions"; the other
/// senders' agents need the same.
fn may_not_mint(agent: Agent, account: Option<&str>, project_number: u64) -> Explanation {
    const ROLE: &str = "roles/iam.serviceAccountTokenCreator";
    let (email, name) = (agent.email(project_number), agent.name());
    let account = account.unwrap_or("SERVICE_ACCOUNT_EMAIL");
    Explanation {
        summary: format!("{name} may not mint tokens of {account}, so nothing was sent"),
        expected: vec![format!("{email} with {ROLE} on {account}")],
        received: Some("no such role".to_owned()),
        advice: Some(format!("grant the role to {name}'s service agent")),
        command: Some(format!(
            "gcloud iam service-accounts add-iam-policy-binding {} --member={} --role={ROLE}",
            shell_word(account),
            shell_word(&member(&email))
        )),
    }
}

fn failed(call: &Call) -> Explanation {
    let (summary, advice) = match call.part {
        Part::Sender(_) => {
            ("there was no answer", "see whether what is called runs, and answers in time")
        }
        _ => ("this part had been told to fail", "end the fault to have it answer again"),
    };
    Explanation {
        summary: call.note.clone().unwrap_or_else(|| summary.to_owned()),
        advice: Some(advice.to_owned()),
        ..Explanation::default()
    }
}

/// What a sender was answered is explained only if it is no success.
fn answered(status: u16) -> Option<Explanation> {
    let advice = match status {
        401 | 403 | 404 => "look for the front end's line of this call: it says why",
        300.. => "see why the service answers so: the sender tries again, as far as it may",
        _ => return None,
    };
    Some(Explanation {
        summary: format!("the answer was {status}, which is no acknowledgement"),
        advice: Some(advice.to_owned()),
        ..Explanation::default()
    })
}

#[cfg(test)]
mod tests;
