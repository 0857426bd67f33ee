//! Values that stand in several places of the file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use remint_idtoken::config::{Kind, Reader};

use crate::config::is_name;
use crate::pubsub::Collection;
use crate::target::is_id;

/// 2^53 - 1.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// A text of its own.
pub(super) fn text(from: &Reader<'_>) -> Option<String> {
    from.text().map(str::to_owned)
}

/// A text that `is_right`; else `what` says what it should be.
pub(super) fn text_if(
    from: &Reader<'_>,
    is_right: impl Fn(&str) -> bool,
    what: &str,
) -> Option<String> {
    from.parsed(|text| match is_right(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no {what}")),
    })
}

/// A path of a file.
pub(super) fn path(from: &Reader<'_>) -> Option<PathBuf> {
    from.text().map(PathBuf::from)
}

/// A list, which may be empty.
pub(super) fn list<'n, T>(
    from: &Reader<'n>,
    read: impl Fn(&Reader<'n>) -> Option<T>,
) -> Option<Vec<T>> {
    match &from.node().kind {
        Kind::List(items) if items.is_empty() => Some(Vec::new()),
        _ => from.list(read),
    }
}

/// The name of a service or region, a part of host names.
pub(super) fn name(from: &Reader<'_>) -> Option<String> {
    let what = "name: use a-z, 0-9 and -, with a letter first and no - last, 49 at most";
    text_if(from, is_name, what)
}

/// The address of an account or a person.
pub(super) fn email(from: &Reader<'_>) -> Option<String> {
    text_if(from, is_email, "address of an account, such as NAME@PROJECT.iam.gserviceaccount.com")
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"@:,".contains(&byte))
    };
    text.split_once('@').is_some_and(|(name, domain)| is_part(name) && is_part(domain))
}

/// Who may invoke a service: an address, or a member as IAM writes them.
pub(super) fn invoker(from: &Reader<'_>) -> Option<String> {
    let what = "invoker: write an address, serviceAccount:ADDRESS, user:ADDRESS, \
                domain:DOMAIN, allAuthenticatedUsers or allUsers";
    let is_member = |text: &str| match text.split_once(':') {
        Some(("serviceAccount" | "user", address)) => is_email(address),
        Some(("domain", domain)) => is_email(&format!("a@{domain}")),
        Some(_) => false,
        None => matches!(text, "allUsers" | "allAuthenticatedUsers") || is_email(text),
    };
    text_if(from, is_member, what)
}

/// An audience, which is compared letter by letter.
pub(super) fn audience(from: &Reader<'_>) -> Option<String> {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    text_if(from, is_plain, "audience: it is compared letter by letter, and has no spaces")
}

/// The id of a resource: letters, digits, hyphens and these characters.
pub(super) fn id(from: &Reader<'_>, also: &str, longest: usize) -> Option<String> {
    let others: String = also.chars().map(|it| format!(", {it}")).collect();
    let what = format!("id: use letters, digits, -{others}, at most {longest}");
    text_if(from, |text| is_id(text, also, longest), &what)
}

/// The name of a topic, short or whole.
pub(super) fn topic(from: &Reader<'_>) -> Option<String> {
    resource(from, Collection::Topics)
}

/// The name of a topic or a subscription, short or whole.
pub(super) fn resource(from: &Reader<'_>, of: Collection) -> Option<String> {
    let what = format!(
        "name of one of {}: 3 to 255 letters, digits and -_.~+%, with a letter first, and not goog",
        of.name()
    );
    text_if(from, |text| of.parse(&of.in_project("p", text)).is_ok(), &what)
}

/// The port of a listener; 0 means any free one.
pub(super) fn port(from: &Reader<'_>) -> Option<u16> {
    let port = from.whole_within(0, u16::MAX.into())?;
    u16::try_from(port).ok()
}

/// A number as Google gives projects one: digits, with quotes or without.
pub(super) fn number(from: &Reader<'_>) -> Option<u64> {
    let text = match &from.node().kind {
        Kind::Text(text) => text.clone(),
        // Numbers of configurations are exact up to there, and Google's longer.
        Kind::Number(number) if *number > MAX_EXACT => {
            from.problem("is long: write the number in quotes, so that no digit is lost");
            return None;
        }
        Kind::Number(number) => number.to_string(),
        kind => {
            from.problem(format!("expected a number, found {}", kind.name()));
            return None;
        }
    };
    let is_digits = text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number > 0 && is_digits);
    if number.is_none() {
        from.problem(format!("{text:?} is no number of Google's: up to 19 digits"));
    }
    number
}

/// Where a server of this machine listens.
pub(super) fn server(from: &Reader<'_>) -> Option<SocketAddr> {
    from.parsed(|text| {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let addr: Option<SocketAddr> = match (host, port.parse()) {
            ("localhost", Ok(port)) => Some((Ipv4Addr::LOCALHOST, port).into()),
            _ => text.parse().ok(),
        };
        match addr.filter(|addr| is_port && addr.port() > 0) {
            Some(addr) if addr.ip().is_loopback() => Ok(addr),
            Some(_) => Err(format!(
                "{text:?} is not on this machine: the emulator calls loopback addresses alone, such as 127.0.0.1:9000"
            )),
            None => Err(format!("{text:?} is no address of a server: expected 127.0.0.1:PORT")),
        }
    })
}

/// An address that only this machine can reach.
pub(super) fn loopback(from: &Reader<'_>) -> Option<IpAddr> {
    from.parsed(|text| match (text, text.parse::<IpAddr>()) {
        ("localhost", _) => Ok(Ipv4Addr::LOCALHOST.into()),
        (_, Ok(ip)) if ip.is_loopback() => Ok(ip),
        (_, Ok(_)) => Err(format!(
            "{text} can be reached from elsewhere, and whoever reaches the emulator can have tokens minted for anybody: listen on 127.0.0.1 or ::1"
        )),
        (_, Err(_)) => Err(format!("{text:?} is no IP address: expected 127.0.0.1 or ::1")),
    })
}

/// Host names.
pub(super) mod host {
    use remint_idtoken::config::Reader;

    use super::{list, server, text_if};
    use crate::config::HostMapping;

    /// Host names, and the server of this machine that answers to each.
    pub(in crate::file) fn mappings(from: &Reader<'_>) -> Option<Vec<HostMapping>> {
        let entries = from.object()?.entries();
        let mapping = |(host, addr): (&str, Reader<'_>)| {
            if !is_host(host) {
                addr.problem(format!("{host:?} is no host name, which has no port and no scheme"));
            }
            server(&addr).map(|addr| HostMapping { host: host.to_ascii_lowercase(), addr })
        };
        // All are looked at, whatever is wrong with the first.
        let mappings: Vec<_> = entries.into_iter().map(mapping).collect();
        let mappings: Vec<_> = mappings.into_iter().collect::<Option<_>>()?;
        from.distinct("host", mappings.iter().map(|it: &HostMapping| it.host.as_str()));
        Some(mappings)
    }

    /// Names by which this emulator is called.
    pub(in crate::file) fn names(from: &Reader<'_>) -> Option<Vec<String>> {
        list(from, name)
    }

    /// A host name, in lower case.
    pub(in crate::file) fn name(from: &Reader<'_>) -> Option<String> {
        let host = text_if(from, is_host, "host name, which has no port and no scheme");
        host.map(|host| host.to_ascii_lowercase())
    }

    /// RFC 1123, section 2.1.
    fn is_host(text: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
        text.len() <= 253 && text.split('.').all(is_label)
    }
}

/// What senders call.
pub(super) mod endpoint {
    use remint_idtoken::config::Reader;

    use crate::endpoint::{Endpoint, EndpointError};
    use crate::network::is_loopback;

    /// What Pub/Sub pushes to, by the check of its API.
    pub(in crate::file) fn pushed_to(from: &Reader<'_>) -> Option<String> {
        from.parsed(|text| {
            let endpoint: Endpoint = text.parse().map_err(|it: EndpointError| it.to_string())?;
            match endpoint.is_https || is_loopback(endpoint.host_and_port().0) {
                true => Ok(text.to_owned()),
                false => Err(format!(
                    "{text:?} is in clear text: Pub/Sub pushes to https:// alone, and here to http:// on this machine"
                )),
            }
        })
    }
}

/// Time spans.
pub(super) mod span {
    use std::time::Duration;

    use remint_idtoken::config::Reader;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    pub(in crate::file) fn token_lifetime(from: &Reader<'_>) -> Option<Duration> {
        from.duration_within(Duration::from_secs(1), DAY)
    }

    pub(in crate::file) fn iam_propagation(from: &Reader<'_>) -> Option<Duration> {
        from.duration_within(Duration::ZERO, DAY)
    }

    pub(in crate::file) fn rotation(from: &Reader<'_>) -> Option<Duration> {
        from.duration_within(Duration::from_secs(1), DAY.saturating_mul(30))
    }

    pub(in crate::file) fn max_age(from: &Reader<'_>) -> Option<Duration> {
        from.duration_within(Duration::ZERO, DAY)
    }
}
