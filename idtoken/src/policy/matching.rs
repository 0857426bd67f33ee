//! For which requests a rule is.

use std::fmt;

use crate::config::Reader;
use crate::request::{Target, decoded_path, host};

/// For which requests a rule is. What is left out matches everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Matching {
    pub(super) hosts: Vec<HostMatch>,
    pub(super) paths: Vec<PathMatch>,
    pub(super) methods: Vec<String>,
}

/// A request that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The host.
    pub host: String,
    /// The path, decoded.
    pub path: String,
    /// The method, unless any will do.
    pub method: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostMatch {
    Exact(String),
    /// `*.example.com`: every name below, not `example.com` itself. Kept with
    /// its dot in front.
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathMatch {
    /// This path alone.
    Exact(String),
    /// This path and all below it: `/push` is for `/push` and `/push/a`, not
    /// for `/pushed`.
    Prefix(String),
    /// Segments, of which those in braces stand for one that is not empty:
    /// `/v1/{id}/items`.
    Template(Vec<Option<String>>),
}

impl Matching {
    pub(super) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let hosts = object.maybe("hosts", |list| list.list(|host| host.parsed(HostMatch::parse)));
        let paths = object.maybe("paths", |list| list.list(PathMatch::read));
        let methods =
            object.maybe("methods", |list| list.list(|method| method.parsed(parse_method)));
        object.finish();
        Some(Self {
            hosts: hosts?.unwrap_or_default(),
            paths: paths?.unwrap_or_default(),
            methods: methods?.unwrap_or_default(),
        })
    }

    pub(super) fn is_for_everything(&self) -> bool {
        self.hosts.is_empty() && self.paths.is_empty() && self.methods.is_empty()
    }

    /// How many places in the index of rules it takes.
    pub(super) fn places(&self) -> usize {
        self.hosts.len().max(1).saturating_mul(self.paths.len().max(1))
    }

    /// A request that it is for, if a host and a path stand in it.
    pub(super) fn example(&self) -> Option<Example> {
        let host = self.hosts.iter().find_map(|host| match host {
            HostMatch::Exact(host) => Some(host.clone()),
            HostMatch::Below(_) => None,
        });
        let path = match self.paths.is_empty() {
            true => Some("/".to_owned()),
            false => self.paths.iter().find_map(|path| match path {
                PathMatch::Exact(path) | PathMatch::Prefix(path) => Some(path.clone()),
                PathMatch::Template(_) => None,
            }),
        };
        let method = self.methods.first().cloned();
        Some(Example { host: host?, path: path?, method })
    }

    /// What of a request it is not for. Nothing where it is for all of it, which is
    /// also what the index of rules is measured against.
    pub(super) fn misses(&self, target: &Target<'_>) -> Vec<Miss> {
        let host = any(&self.hosts, |host| host.matches(target.host()));
        let path = any(&self.paths, |path| path.matches(target.path()));
        let method = any(&self.methods, |method| method == target.method());
        let hosts = (!host).then(|| Miss::new("host", &self.hosts));
        let paths = (!path).then(|| Miss::new("path", &self.paths));
        let methods = (!method).then(|| Miss::new("method", &self.methods));
        [hosts, paths, methods].into_iter().flatten().collect()
    }
}

/// A part of a request that a rule is not for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// `host`, `path` or `method`.
    pub part: &'static str,
    /// What the rule is for, as its [`Scope`](super::Scope) shows it.
    pub expected: Vec<String>,
}

impl Miss {
    fn new(part: &'static str, expected: &[impl ToString]) -> Self {
        Self { part, expected: expected.iter().map(ToString::to_string).collect() }
    }
}

/// An empty list asks for nothing.
fn any<T>(list: &[T], fits: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(fits)
}

/// As the configuration has it.
impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// A prefix ends in a star; the names in a template's braces are forgotten.
impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(prefix) => write!(f, "{}/*", prefix.trim_end_matches('/')),
            Self::Template(segments) => segments.iter().try_for_each(|segment| {
                f.write_str("/")?;
                f.write_str(segment.as_deref().unwrap_or("{…}"))
            }),
        }
    }
}

impl HostMatch {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        match host(name) {
            Ok(host) if host != name => {
                Err(format!("write the host without port and in lower case: {host}"))
            }
            Ok(host) if is_below => Ok(Self::Below(format!(".{host}"))),
            Ok(host) => Ok(Self::Exact(host.into_owned())),
            Err(_) => Err(format!("{text:?} is no host name")),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => host == exact,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

impl PathMatch {
    fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let given = [
            object.get("exact").map(|path| path.parsed(parse_path).map(Self::Exact)),
            object.get("prefix").map(|path| path.parsed(parse_path).map(Self::Prefix)),
            object.get("template").map(|path| path.parsed(parse_template).map(Self::Template)),
        ];
        let mut given = given.into_iter().flatten();
        let path = match (given.next(), given.next()) {
            (Some(path), None) => path,
            _ => {
                let place = object.reader();
                place.problem("takes one of \"exact\", \"prefix\" and \"template\"");
                None
            }
        };
        object.finish();
        path
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => {
                let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
                let rest = path.strip_prefix(prefix);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Template(template) => {
                let mut segments = path.split('/').skip(1);
                let fits = template.iter().all(|expected| match (expected, segments.next()) {
                    (Some(fixed), Some(segment)) => fixed == segment,
                    (None, Some(segment)) => !segment.is_empty(),
                    (_, None) => false,
                });
                fits && segments.next().is_none()
            }
        }
    }
}

fn parse_path(text: &str) -> Result<String, String> {
    if text.contains(['?', ';']) {
        return Err(format!("{text:?} is no path: rules see neither queries nor parameters"));
    }
    decoded_path(text).map(String::from).map_err(|error| format!("{text:?} is no path: {error}"))
}

fn parse_template(text: &str) -> Result<Vec<Option<String>>, String> {
    let path = parse_path(text)?;
    let segment = |segment: &str| match segment.strip_prefix('{').map(|it| it.strip_suffix('}')) {
        Some(Some(name)) if !name.is_empty() && !name.contains(['{', '}']) => Ok(None),
        None if !segment.contains(['{', '}']) => Ok(Some(segment.to_owned())),
        _ => {
            Err(format!("{text:?} is no template: braces stand around a whole segment, as {{id}}"))
        }
    };
    path.split('/').skip(1).map(segment).collect()
}

fn parse_method(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no method: write it in capitals, as in GET")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let prefix = |text: &str| PathMatch::Prefix(text.to_owned());
        for path in ["/push", "/push/", "/push/a"] {
            assert!(prefix("/push").matches(path), "{path}");
        }
        for path in ["/pushed", "/pus", "/", "/a/push"] {
            assert!(!prefix("/push").matches(path), "{path}");
        }
        assert!(prefix("/").matches("/anything") && prefix("/").matches("/"));
        assert!(prefix("/push/").matches("/push/a"));
    }

    #[test]
    fn a_template_s_braces_stand_for_one_segment() {
        let template = PathMatch::Template(parse_template("/v1/{id}/items").unwrap());
        assert!(template.matches("/v1/7/items") && template.matches("/v1/ä b/items"));
        for path in ["/v1//items", "/v1/7/8/items", "/v1/7/items/", "/v1/7", "/v1/7/item", "/"] {
            assert!(!template.matches(path), "{path}");
        }
        for bad in ["/v1/{}", "/v1/a{id}", "/v1/{id", "/v1/{a}{b}", "v1/{id}"] {
            assert!(parse_template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_rule_is_for_is_shown_as_people_write_it() {
        let below = HostMatch::parse("*.example.com").unwrap();
        let template = PathMatch::Template(parse_template("/v1/{id}/items").unwrap());
        let prefix = |text: &str| PathMatch::Prefix(text.to_owned()).to_string();
        assert_eq!(below.to_string(), "*.example.com");
        assert_eq!(template.to_string(), "/v1/{…}/items");
        assert_eq!([prefix("/"), prefix("/push"), prefix("/push/")], ["/*", "/push/*", "/push/*"]);
    }

    #[test]
    fn a_star_stands_for_whole_labels_and_never_for_none() {
        let below = HostMatch::parse("*.example.com").unwrap();
        for host in ["a.example.com", "a.b.example.com"] {
            assert!(below.matches(host), "{host}");
        }
        for host in ["example.com", ".example.com", "badexample.com", "a.example.com.evil"] {
            assert!(!below.matches(host), "{host}");
        }
        for bad in ["*", "*.", "a.*.com", "*example.com"] {
            assert!(HostMatch::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_example_is_told_only_if_nothing_of_it_is_guessed() {
        let path = |path: &str| PathMatch::Prefix(path.to_owned());
        let mut matching = Matching {
            hosts: vec![
                HostMatch::Below(".b.example".into()),
                HostMatch::Exact("a.example".into()),
            ],
            paths: vec![PathMatch::Template(vec![None]), path("/push")],
            methods: vec!["POST".to_owned()],
        };
        let example = Example {
            host: "a.example".to_owned(),
            path: "/push".to_owned(),
            method: Some("POST".to_owned()),
        };
        assert_eq!(matching.example(), Some(example));
        matching.paths.pop();
        assert_eq!(matching.example(), None);
        matching.paths.clear();
        assert_eq!(matching.example().unwrap().path, "/");
        matching.hosts.pop();
        assert_eq!(matching.example(), None);
    }
}
