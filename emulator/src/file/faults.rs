//! Reading faults, from a file or from the control API.
//!
//! ```yaml
//! - what: keys                  # or iap_keys, metadata, iam_credentials,
//!   how: { status: 503 }        # token_endpoint, sts, run_admin, pubsub, …
//! - what: { service: orders, region: us-central1 }
//!   how: { latency: 2s }
//! - what: tokens
//!   how: { mint_nothing_for: "https://a.example" }
//! - what: clock
//!   how: { ahead: 5m }
//! ```

use std::time::Duration;

use http::StatusCode;
use remint_idtoken::config::{Kind, Object, Reader};

use crate::faults::{
    Fault, FaultSetting, RegionFault, RegionSetting, Server as GoogleServer, TokenFault,
};

/// How far a clock can be off: beyond a year nobody learns anything more.
const MAX_OFFSET: Duration = Duration::from_secs(366 * 24 * 3600);

/// The longest pause that is asked for or made.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A list of faults, which may be empty.
pub(crate) fn read(from: &Reader<'_>) -> Option<Vec<FaultSetting>> {
    match &from.node().kind {
        Kind::List(items) if items.is_empty() => Some(Vec::new()),
        _ => from.list(one),
    }
}

/// One fault.
pub(crate) fn one(from: &Reader<'_>) -> Option<FaultSetting> {
    let mut setting = from.object()?;
    let what = setting.need("what").and_then(|what| What::read(&what));
    let how = setting.need("how");
    setting.finish();
    let (what, how) = (what?, how?);
    match what {
        What::Server(server) => Some(FaultSetting::Server(server, server_fault(&how)?)),
        What::Region { service, region } => {
            Some(FaultSetting::Region { service, region, fault: region_fault(&how)? })
        }
        What::Tokens => Some(FaultSetting::Tokens(token_fault(&how)?)),
        What::Clock => Some(FaultSetting::Clock { offset: offset(&how)? }),
    }
}

enum What {
    Server(GoogleServer),
    Region { service: String, region: String },
    Tokens,
    Clock,
}

#[derive(Clone, Copy)]
enum Name {
    Server(GoogleServer),
    Tokens,
    Clock,
}

impl What {
    fn read(from: &Reader<'_>) -> Option<Self> {
        if from.is_mapping() {
            let mut region = from.object()?;
            let service = region.need("service").and_then(|it| it.text());
            let name = region.need("region").and_then(|it| it.text());
            region.finish();
            return Some(Self::Region { service: service?.to_owned(), region: name?.to_owned() });
        }
        let servers = GoogleServer::ALL.iter().map(|(name, it)| (*name, Name::Server(*it)));
        let names = [("tokens", Name::Tokens), ("clock", Name::Clock)];
        let names: Vec<_> = servers.chain(names).collect();
        Some(match from.choice(&names)? {
            Name::Server(server) => Self::Server(server),
            Name::Tokens => Self::Tokens,
            Name::Clock => Self::Clock,
        })
    }
}

/// A fault is a name, or a mapping with one member, the name and its value.
fn named<'n, T>(
    from: &Reader<'n>,
    bare: &[(&str, T)],
    valued: impl FnOnce(&mut Object<'n>) -> Vec<Option<T>>,
) -> Option<T>
where
    T: Copy,
{
    if !from.is_mapping() && !bare.is_empty() {
        return from.choice(bare);
    }
    let mut object = from.object()?;
    let mut found = valued(&mut object);
    let count = object.entries().len();
    object.finish();
    match (found.pop(), count) {
        (Some(fault), 1) => fault,
        (_, 1) => None,
        _ => {
            from.problem("expected one fault with its value");
            None
        }
    }
}

fn server_fault(from: &Reader<'_>) -> Option<Fault> {
    let bare = [
        ("hang", Fault::Hang),
        ("not_json", Fault::NotJson),
        ("wrong_content_type", Fault::WrongContentType),
        ("oversized", Fault::Oversized),
        ("reset", Fault::Reset),
        ("permission_denied", Fault::PermissionDenied),
        ("api_disabled", Fault::ApiDisabled),
    ];
    named(from, &bare, |object| {
        let status = object.get("status").map(|it| status(&it).map(Fault::Status));
        let slow_down = object.get("slow_down").map(|it| {
            let wait = it.duration_within(Duration::from_secs(1), MAX_WAIT)?;
            Some(Fault::SlowDown(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)))
        });
        status.into_iter().chain(slow_down).collect()
    })
}

fn region_fault(from: &Reader<'_>) -> Option<RegionSetting> {
    let bare = [
        ("hang", RegionSetting::Fault(RegionFault::Hang)),
        ("reset", RegionSetting::Fault(RegionFault::Reset)),
        ("down", RegionSetting::Down),
        ("refuse_tokens_before_now", RegionSetting::RefuseTokensBeforeNow),
    ];
    named(from, &bare, |object| {
        let latency = object.get("latency").map(|it| {
            let wait = it.duration_within(Duration::ZERO, MAX_WAIT)?;
            Some(RegionSetting::Fault(RegionFault::Latency(wait)))
        });
        let front_end = object
            .get("front_end")
            .map(|it| Some(RegionSetting::Fault(RegionFault::FrontEnd(status(&it)?))));
        latency.into_iter().chain(front_end).collect()
    })
}

fn token_fault(from: &Reader<'_>) -> Option<TokenFault> {
    if !from.is_mapping() {
        return from.choice(&[("leave_out_exp", ())]).map(|()| TokenFault::LeaveOutExp);
    }
    let mut object = from.object()?;
    let audience = object.need("mint_nothing_for").and_then(|it| it.text());
    object.finish();
    Some(TokenFault::MintNothingFor(audience?.to_owned()))
}

/// In seconds, positive if ahead.
fn offset(from: &Reader<'_>) -> Option<i64> {
    named(from, &[], |object| {
        let mut read = |name, direction: i64| {
            object.get(name).map(|it| {
                let span = it.duration_within(Duration::ZERO, MAX_OFFSET)?;
                i64::try_from(span.as_secs()).ok()?.checked_mul(direction)
            })
        };
        let both = [read("ahead", 1), read("behind", -1)];
        both.into_iter().flatten().collect()
    })
}

/// The status of an answer that ends a call.
fn status(from: &Reader<'_>) -> Option<StatusCode> {
    let number = from.whole_within(200, 599)?;
    StatusCode::from_u16(u16::try_from(number).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use remint_idtoken::config::{Node, Problems, yaml};
    use serde_json::{Value, json};

    use super::*;

    fn faults(node: &Node) -> Result<Vec<FaultSetting>, Vec<String>> {
        let problems = Problems::default();
        let faults = read(&Reader::root(node, &problems));
        problems.finish(faults).map_err(|found| found.iter().map(ToString::to_string).collect())
    }

    fn from_json(json: Value) -> Result<Vec<FaultSetting>, Vec<String>> {
        faults(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn every_fault_is_written_as_it_is_read() {
        let region = json!({ "service": "orders", "region": "us-central1" });
        let mut all = Vec::new();
        for (what, _) in GoogleServer::ALL {
            all.push(json!({ "what": what, "how": { "status": 503 } }));
        }
        for how in ["hang", "not_json", "wrong_content_type", "oversized", "reset"] {
            all.push(json!({ "what": "keys", "how": how }));
        }
        all.push(json!({ "what": "metadata", "how": { "slow_down": "30s" } }));
        for how in ["hang", "reset", "down", "refuse_tokens_before_now"] {
            all.push(json!({ "what": region, "how": how }));
        }
        all.push(json!({ "what": region, "how": { "latency": "1500ms" } }));
        all.push(json!({ "what": region, "how": { "front_end": 429 } }));
        all.push(json!({ "what": "tokens", "how": "leave_out_exp" }));
        all.push(json!({ "what": "tokens", "how": { "mint_nothing_for": "a" } }));
        all.push(json!({ "what": "clock", "how": { "ahead": "300s" } }));
        all.push(json!({ "what": "clock", "how": { "behind": "60s" } }));
        let read = from_json(json!(all)).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json!(all));
        assert_eq!(from_json(json!([])).unwrap(), []);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "- what: kezs\n  how: hang\n- what: keys\n  how: down\n- what: sts\n  how: {status: 99}\n- what: clock\n  how: {ahead: 1s, behind: 1s}\n- what: {service: a}\n  how: hang\n- how: {}\n- what: keys\n  how: {latency: 1s}\n- what: keys\n  how: {}\n";
        let problems = faults(&yaml::parse(text).unwrap()).unwrap_err();
        let expected = [
            "1:9: [0].what: \"kezs\" is not one of: keys, ",
            "4:8: [1].how: \"down\" is not one of: hang, ",
            "6:17: [2].how.status: 99 is out of bounds",
            "8:8: [3].how: expected one fault with its value",
            "9:9: [4].what: \"region\" is missing",
            "11:3: [5]: \"what\" is missing",
            "13:9: [6].how.latency: is not a setting",
            "15:8: [7].how: expected one fault with its value",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn a_clock_is_ahead_or_behind_by_a_time_span() {
        let clock = |how| from_json(json!([{ "what": "clock", "how": how }])).unwrap();
        assert_eq!(clock(json!({ "ahead": "5m" })), [FaultSetting::Clock { offset: 300 }]);
        assert_eq!(clock(json!({ "behind": "5m" })), [FaultSetting::Clock { offset: -300 }]);
    }
}
