//! The schemas that the programs print are in one piece each, and say the same
//! as the files that refer to each other.

use jsonschema::Validator;
use remint_gateway::schema::Document;

use super::documents::{Emulator, Gateway, Kind, Plugin, PolicyKind};
use super::mutations::spoilt;

/// Knows no other document: a reference out of it would fail.
fn bundled(kind: Kind) -> Validator {
    let schema = match kind {
        Gateway => Document::Gateway.schema(),
        PolicyKind => Document::Policy.schema(),
        Plugin => Document::Plugin.schema(),
        Emulator => serde_json::from_str(remint_emulator::file::SCHEMA),
    };
    jsonschema::options().build(&schema.unwrap()).unwrap()
}

#[test]
fn a_printed_schema_says_the_same_as_the_files() {
    for kind in Kind::ALL {
        let (files, bundled) = (kind.validator(), bundled(kind));
        assert!(bundled.is_valid(&kind.everything()), "{kind:?}");
        let spoilt = spoilt(kind);
        for (how, document) in &spoilt {
            assert_eq!(bundled.is_valid(document), files.is_valid(document), "{kind:?}: {how}");
        }
        assert!(spoilt.iter().any(|(_, document)| !bundled.is_valid(document)), "{kind:?}");
    }
}

#[test]
fn a_mistake_in_the_policy_is_seen_through_the_gateways_schema() {
    for kind in [Gateway, Plugin] {
        let (bundled, alone) = (bundled(kind), PolicyKind.validator());
        for (how, policy) in spoilt(PolicyKind) {
            let mut document = kind.everything();
            document["policy"] = policy;
            let is_valid = alone.is_valid(&document["policy"]);
            assert_eq!(bundled.is_valid(&document), is_valid, "{kind:?}: {how}");
        }
    }
}
