//! Regions: what stands there, whom its tokens are for, and how much it gets.

use std::fmt;
use std::sync::Arc;

use remint_idtoken::config::{Object, Reader};

use super::origin::without_userinfo;
use super::{Origin, Protocol, TokenHeader, connections, shared};

/// The greatest weight of a region.
const MAX_WEIGHT: u32 = 1000;
/// The last priority.
const MAX_PRIORITY: u32 = 63;

/// A service in one region.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its name, for logs and metrics. Where it is the name of the region in
    /// which the gateway runs, the region is the local one.
    pub name: Arc<str>,
    /// What stands there.
    pub kind: Kind,
    /// Where it is.
    pub origin: Origin,
    /// What is spoken with it.
    pub protocol: Protocol,
    /// What stands before the path of each request: nothing, or `/NAME`.
    pub base_path: Arc<str>,
    /// Whom its tokens are for.
    pub audience: Arc<str>,
    /// Where they go.
    pub token_header: TokenHeader,
    /// Its share of the requests among regions of its priority; 0 if it is
    /// drained.
    pub weight: u32,
    /// 0 comes first.
    pub priority: u32,
}

/// What stands in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A Cloud Run service, or a function of the second generation. Its tokens
    /// are for its URL.
    #[default]
    CloudRun,
    /// A function of the first generation. Its tokens are for its URL with the
    /// path.
    CloudFunction,
    /// Something behind IAP. Its tokens are for IAP's OAuth client ID.
    Iap,
    /// Something that checks tokens for an audience of its own.
    Other,
}

impl Region {
    /// Its URL, with the path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.origin, self.base_path)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

const KINDS: [(&str, Kind); 4] = [
    ("cloud_run", Kind::CloudRun),
    ("cloud_function", Kind::CloudFunction),
    ("iap", Kind::Iap),
    ("other", Kind::Other),
];

/// Reads a region of a service whose Cloud Run services get their tokens in
/// `of_service`.
pub(super) fn read(from: &Reader<'_>, of_service: TokenHeader) -> Option<Region> {
    let mut object = from.object()?;
    let name = object.need("name").and_then(|name| shared(&name));
    let kind = object.maybe("kind", |kind| kind.choice(&KINDS));
    let known_kind = kind.flatten().unwrap_or_default();
    let allow_plaintext = object.maybe("allow_plaintext", Reader::flag);
    let is_allowed = allow_plaintext.flatten().unwrap_or_default();
    let url = object.need("url").and_then(|url| read_url(&url, known_kind, is_allowed));
    let protocol = object.maybe("protocol", connections::protocol);
    let audience = read_audience(&mut object, known_kind);
    let token_header = read_token_header(&mut object, known_kind, of_service);
    let weight = object.maybe("weight", |weight| whole(weight, MAX_WEIGHT));
    let priority = object.maybe("priority", |priority| whole(priority, MAX_PRIORITY));
    object.finish();
    let (name, kind, (origin, base_path)) = (name?, kind?.unwrap_or_default(), url?);
    let audience = audience?.unwrap_or_else(|| format!("{}{base_path}", origin.audience()).into());
    Some(Region {
        name,
        kind,
        origin,
        protocol: protocol?.unwrap_or_default(),
        base_path,
        audience,
        token_header: token_header?,
        weight: weight?.unwrap_or(1),
        priority: priority?.unwrap_or_default(),
    })
}

fn whole(from: &Reader<'_>, most: u32) -> Option<u32> {
    from.whole_within(0, most).and_then(|number| u32::try_from(number).ok())
}

/// Who reads a region's token on the way can use it until it expires.
fn read_url(from: &Reader<'_>, kind: Kind, allow_plaintext: bool) -> Option<(Origin, Arc<str>)> {
    let (origin, path) = match kind {
        Kind::CloudFunction => from.parsed(parse_function)?,
        _ => (from.parsed(Origin::parse)?, "".into()),
    };
    if !origin.is_private() && !allow_plaintext {
        from.problem(format!(
            "{:?}: tokens would travel in clear text; use https://, or say \"allow_plaintext: true\"",
            origin.to_string()
        ));
        return None;
    }
    Some((origin, path))
}

/// `https://HOST/NAME`: more segments are taken as they are.
fn parse_function(text: &str) -> Result<(Origin, Arc<str>), String> {
    let wrong = || {
        let shown = without_userinfo(text);
        format!("{shown:?} is no URL of a function: expected https://HOST/NAME")
    };
    let host_at = text.find("://").and_then(|at| at.checked_add(3)).ok_or_else(wrong)?;
    let rest = text.get(host_at..).unwrap_or_default();
    let path_at = rest.find('/').and_then(|at| at.checked_add(host_at)).ok_or_else(wrong)?;
    let (origin, path) = text.split_at_checked(path_at).ok_or_else(wrong)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment =
        |segment: &str| !["", ".", ".."].contains(&segment) && segment.bytes().all(is_plain);
    match path.split('/').skip(1).all(is_segment) && !path.is_empty() {
        true => Ok((Origin::parse(origin)?, path.into())),
        false => Err(wrong()),
    }
}

/// Outside: whether it can be read; inside: whether one is given.
fn read_audience(object: &mut Object<'_>, kind: Kind) -> Option<Option<Arc<str>>> {
    let given = object.maybe("audience", parse_audience);
    let client_id = object.maybe("client_id", parse_audience);
    let (given, client_id) = (given?, client_id?);
    let reader = object.reader();
    if client_id.is_some() && kind != Kind::Iap {
        reader.problem(format!("\"client_id\" is for the kind iap, not for {kind}"));
    }
    match kind {
        Kind::Iap if given.is_some() && client_id.is_some() => {
            reader.problem("\"client_id\" and \"audience\" say the same: leave one of them out");
            None
        }
        Kind::Iap if given.is_none() && client_id.is_none() => {
            reader.problem(
                "IAP's OAuth client ID is needed: give it as \"client_id\" (or give an \
                 \"audience\" instead)",
            );
            None
        }
        Kind::Other if given.is_none() => {
            reader.problem("\"audience\" is missing: the kind other has none by itself");
            None
        }
        _ => Some(given.or(client_id)),
    }
}

fn parse_audience(from: &Reader<'_>) -> Option<Arc<str>> {
    from.parsed(|text| match text.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(Arc::from(text)),
        false => Err(format!("{text:?} is no audience: it is compared letter by letter")),
    })
}

fn read_token_header(
    object: &mut Object<'_>,
    kind: Kind,
    of_service: TokenHeader,
) -> Option<TokenHeader> {
    let headers = [
        ("authorization", TokenHeader::Authorization),
        ("proxy_authorization", TokenHeader::ProxyAuthorization),
    ];
    let iap = object.maybe("iap_header", |header| header.choice(&headers))?;
    if iap.is_some() && kind != Kind::Iap {
        let message = format!("\"iap_header\" is for the kind iap, not for {kind}");
        object.reader().problem(message);
    }
    Some(match kind {
        Kind::CloudRun => of_service,
        // Only Cloud Run is documented to look anywhere else.
        _ => iap.unwrap_or(TokenHeader::Authorization),
    })
}

#[cfg(test)]
mod tests;
