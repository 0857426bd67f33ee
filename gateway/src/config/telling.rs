//! What regions and callers are told, as far as that can be chosen.

use remint_idtoken::Policy;
use remint_idtoken::config::{Object, Reader};

use super::{Region, Route, TokenHeader};
use crate::headers::may_pass_token;

const TOKEN_HEADERS: [(&str, TokenHeader); 2] = [
    ("x_serverless_authorization", TokenHeader::XServerlessAuthorization),
    ("authorization", TokenHeader::Authorization),
];
const HOSTS: [(&str, HostHeader); 2] =
    [("region", HostHeader::Region), ("preserve", HostHeader::Preserve)];

/// What is told of one rule's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Whether regions get the caller's own token.
    pub pass_caller_token: bool,
    /// Whether regions get an assertion of who called, if there are any.
    pub assertion: bool,
    /// Whether gRPC calls get the gateway's own errors in gRPC's form, which
    /// is a success to whoever looks at the HTTP status alone.
    pub grpc: bool,
}

/// Which host a region is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// Its own, by which Cloud Run finds the service.
    #[default]
    Region,
    /// The one that the caller asked for.
    Preserve,
}

impl Default for Telling {
    fn default() -> Self {
        Self { pass_caller_token: false, assertion: true, grpc: false }
    }
}

/// Of a rule in a service.
pub(super) fn read(object: &mut Object<'_>) -> Option<Telling> {
    let defaults = Telling::default();
    let pass = object.maybe("pass_caller_token", Reader::flag);
    let assertion = object.maybe("assertion", Reader::flag);
    let grpc = object.maybe("grpc", Reader::flag);
    Some(Telling {
        pass_caller_token: pass?.unwrap_or(defaults.pass_caller_token),
        assertion: assertion?.unwrap_or(defaults.assertion),
        grpc: grpc?.unwrap_or(defaults.grpc),
    })
}

/// Of a service.
pub(super) fn read_headers(object: &mut Object<'_>) -> Option<(TokenHeader, HostHeader)> {
    let token_header = object.maybe("token_header", |name| name.choice(&TOKEN_HEADERS));
    let host = object.maybe("host", |name| name.choice(&HOSTS));
    Some((token_header?.unwrap_or_default(), host?.unwrap_or_default()))
}

/// Writes down the rules whose tokens are to go on and can't.
pub(super) fn check(
    service: &Reader<'_>,
    policy: Option<&Policy>,
    routes: &[Route],
    regions: &[Region],
) {
    let token_headers = TokenHeader::of_all(regions.iter().map(|region| region.token_header));
    for route in routes.iter().filter(|route| route.telling.pass_caller_token) {
        let mut rules = policy.map(Policy::rules).unwrap_or_default().iter();
        let Some(rule) = rules.find(|rule| *rule.name() == route.rule) else {
            continue;
        };
        if !rule.places().any(|place| may_pass_token(place.header(), &token_headers)) {
            service.problem(format!(
                "\"pass_caller_token\" of the rule {:?} can do nothing: a token goes on in the \
                 header it came in, and this rule looks at none in which it may",
                route.rule
            ));
        }
    }
}
