//! The commands that mend what is refused for a reason, as those who fill them in
//! write them.

use remint_idtoken::{Reason, Sender};

use crate::config::{Grant, Kind};
use crate::doctor;
use crate::iam;

/// Each once, with words in capitals for what a request would tell.
pub(super) fn commands(reason: Reason) -> Vec<String> {
    let by_sender = Sender::ALL.into_iter().map(doctor::let_mint);
    let mut all = match reason {
        Reason::SenderMayNotMint => by_sender.collect(),
        Reason::MintDenied => vec![own_grant()],
        _ => reason.commands(),
    };
    all.extend(of_front_ends(reason));
    let mut commands: Vec<String> = Vec::new();
    for command in all {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

/// What mends a front end's refusal, for each kind of region that has one.
fn of_front_ends(reason: Reason) -> impl Iterator<Item = String> {
    let kinds: &[Kind] = match reason {
        Reason::InvokerMissing => &[Kind::CloudRun, Kind::CloudFunction],
        _ => &[Kind::CloudRun, Kind::Iap],
    };
    kinds.iter().filter_map(move |&kind| {
        let place = iam::Place { kind, host: "", path: "", account: None, audience: "AUDIENCE" };
        iam::remedy(&place, reason)
    })
}

/// What the gateway's identity takes to speak for an account.
fn own_grant() -> String {
    let (account, member) = ("SERVICE_ACCOUNT_EMAIL", "serviceAccount:GATEWAY_SERVICE_ACCOUNT");
    let role = "roles/iam.serviceAccountOpenIdTokenCreator";
    Grant { account: account.to_owned(), member: member.to_owned(), role }.to_string()
}
