//! Which of curl's options have a value.

/// Long options with a value that has no say in what is looked at here (`curl --help
/// all` of 7.88, and some that newer ones have), in the order of the alphabet.
const LONG: [&str; 128] = [
    "abstract-unix-socket",
    "alt-svc",
    "aws-sigv4",
    "cacert",
    "capath",
    "cert",
    "cert-type",
    "ciphers",
    "connect-timeout",
    "connect-to",
    "continue-at",
    "cookie",
    "cookie-jar",
    "create-file-mode",
    "crlfile",
    "curves",
    "delegation",
    "dns-interface",
    "dns-ipv4-addr",
    "dns-ipv6-addr",
    "dns-servers",
    "doh-url",
    "dump-header",
    "ech",
    "egd-file",
    "engine",
    "etag-compare",
    "etag-save",
    "expect100-timeout",
    "ftp-account",
    "ftp-alternative-to-user",
    "ftp-method",
    "ftp-port",
    "ftp-ssl-ccc-mode",
    "happy-eyeballs-timeout-ms",
    "haproxy-clientip",
    "hostpubmd5",
    "hostpubsha256",
    "hsts",
    "interface",
    "ip-tos",
    "ipfs-gateway",
    "keepalive-cnt",
    "keepalive-time",
    "key",
    "key-type",
    "krb",
    "libcurl",
    "limit-rate",
    "local-port",
    "login-options",
    "mail-auth",
    "mail-from",
    "mail-rcpt",
    "max-filesize",
    "max-redirs",
    "max-time",
    "netrc-file",
    "noproxy",
    "output",
    "output-dir",
    "parallel-max",
    "parallel-max-host",
    "pass",
    "pinnedpubkey",
    "preproxy",
    "proto",
    "proto-default",
    "proto-redir",
    "proxy",
    "proxy-cacert",
    "proxy-capath",
    "proxy-cert",
    "proxy-cert-type",
    "proxy-ciphers",
    "proxy-crlfile",
    "proxy-header",
    "proxy-key",
    "proxy-key-type",
    "proxy-pass",
    "proxy-pinnedpubkey",
    "proxy-service-name",
    "proxy-tls13-ciphers",
    "proxy-tlsauthtype",
    "proxy-tlspassword",
    "proxy-tlsuser",
    "proxy-user",
    "proxy1.0",
    "pubkey",
    "quote",
    "random-file",
    "range",
    "rate",
    "referer",
    "request-target",
    "resolve",
    "retry",
    "retry-delay",
    "retry-max-time",
    "sasl-authzid",
    "service-name",
    "sigalgs",
    "socks4",
    "socks4a",
    "socks5",
    "socks5-gssapi-service",
    "socks5-hostname",
    "speed-limit",
    "speed-time",
    "stderr",
    "telnet-option",
    "tftp-blksize",
    "time-cond",
    "tls-max",
    "tls13-ciphers",
    "tlsauthtype",
    "tlspassword",
    "tlsuser",
    "trace",
    "trace-ascii",
    "trace-config",
    "unix-socket",
    "upload-file",
    "upload-flags",
    "url-query",
    "variable",
    "vlan-priority",
    "write-out",
];
/// The same of one letter.
const SHORT: &str = "CDEPQTUYbcehmortwxyz";

/// What an option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The method.
    Method,
    /// A header.
    Header,
    /// The header `User-Agent`.
    Agent,
    /// A bearer token.
    Bearer,
    /// Name and password.
    Login,
    /// The URL.
    Url,
    /// A body.
    Body,
    /// A body of JSON.
    Json,
    /// A file with more options.
    Config,
    /// Something with a value that does not matter here.
    Other,
    /// `HEAD`.
    Head,
    /// `GET`, whatever else is said.
    Get,
    /// Another request follows.
    Next,
    /// Something without a value.
    Flag,
}

impl Kind {
    /// Of a name without its hyphens; one letter is a short option.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "X" | "request" => Self::Method,
            "H" | "header" => Self::Header,
            "A" | "user-agent" => Self::Agent,
            "oauth2-bearer" => Self::Bearer,
            "u" | "user" => Self::Login,
            "url" => Self::Url,
            "json" => Self::Json,
            "K" | "config" => Self::Config,
            "I" | "head" => Self::Head,
            "G" | "get" => Self::Get,
            ":" | "next" => Self::Next,
            "d" | "F" | "data" | "data-raw" | "data-binary" | "data-ascii" | "data-urlencode"
            | "form" | "form-string" => Self::Body,
            long if LONG.binary_search(&long).is_ok() => Self::Other,
            short if short.len() == 1 && SHORT.contains(short) => Self::Other,
            _ => Self::Flag,
        }
    }

    /// Whether a value belongs to it.
    pub(super) fn has_value(self) -> bool {
        !matches!(self, Self::Head | Self::Get | Self::Next | Self::Flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_apart_by_what_they_say() {
        assert!(LONG.is_sorted());
        for (name, kind) in [
            ("X", Kind::Method),
            ("header", Kind::Header),
            ("max-time", Kind::Other),
            ("o", Kind::Other),
            ("s", Kind::Flag),
            ("compressed", Kind::Flag),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
