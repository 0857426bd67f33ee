//! A request as somebody has captured it: a curl command, an entry of a HAR file,
//! or a token with a URL.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use remint_idtoken::{Target, TargetError};
use serde_json::Value;

/// What is looked at of a request: everything but its body.
#[derive(Clone, Debug)]
pub struct Captured {
    method: String,
    authority: String,
    path: String,
    pub(super) headers: HeaderMap,
}

/// Why a text is no request.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Not a URL that a request can have.
    #[error("{0:?} is no URL of a request: expected https://HOST/PATH")]
    Url(String),
    /// Not a method. It is not shown: it may be a token in the wrong place.
    #[error("the method is none: expected up to 20 letters, as in POST")]
    Method,
    /// Quotes without an end.
    #[error("the command has quotes that don't end")]
    Quotes,
    /// Not a command of curl's.
    #[error("the command does not begin with curl")]
    NotCurl,
    /// An option without its value.
    #[error("the option {0} has no value")]
    Value(String),
    /// No URL.
    #[error("the command has no URL")]
    NoUrl,
    /// Several URLs.
    #[error("the command has several URLs: keep one")]
    Urls,
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// No entry of a HAR file.
    #[error(
        "no entry of a HAR file: expected \"request\" with \"method\", \"url\" and \"headers\""
    )]
    Har,
    /// Several entries.
    #[error("the file has {0} entries: say which with --entry, from 1")]
    Entries(usize),
}

/// Options of curl's that have a value and no say in what is looked at here.
const WITH_VALUE: [&str; 32] = [
    "-o",
    "--output",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--cacert",
    "--capath",
    "-E",
    "--cert",
    "--key",
    "--resolve",
    "--connect-to",
    "-x",
    "--proxy",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-w",
    "--write-out",
    "-e",
    "--referer",
    "-u",
    "--user",
    "--retry",
    "--retry-delay",
    "--limit-rate",
    "-T",
    "--upload-file",
    "--interface",
    "-K",
    "--config",
];
/// Options that bring a body.
const BODIES: [&str; 8] = [
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-ascii",
    "--data-urlencode",
    "-F",
    "--form",
];

impl Captured {
    /// A request of that method for that URL.
    ///
    /// # Errors
    /// [`CaptureError::Url`] and [`CaptureError::Method`].
    pub fn new(method: &str, url: &str) -> Result<Self, CaptureError> {
        let is_method = |letter: u8| letter.is_ascii_alphabetic() || letter == b'-';
        if !(1..=20).contains(&method.len()) || !method.bytes().all(is_method) {
            return Err(CaptureError::Method);
        }
        let wrong = || CaptureError::Url(without_query(url));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        let authority = uri.authority().ok_or_else(wrong)?.to_string();
        let path = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        let method = method.to_ascii_uppercase();
        Ok(Self { method, authority, path, headers: HeaderMap::new() })
    }

    /// With a token as bearer.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {}", token.trim())) {
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    /// With a header, `NAME: VALUE`. What is no header is left out, as no server
    /// would have seen it.
    pub fn add_header(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        self.add(name.trim(), value.trim());
    }

    fn add(&mut self, name: &str, value: &str) {
        let parsed = (HeaderName::try_from(name), HeaderValue::try_from(value));
        match parsed {
            (Ok(HOST), Ok(value)) => {
                if let Ok(host) = value.to_str() {
                    host.clone_into(&mut self.authority);
                }
            }
            (Ok(name), Ok(value)) => drop(self.headers.append(name, value)),
            _ => {}
        }
    }

    /// What it is for.
    ///
    /// # Errors
    /// [`TargetError`] if that can be read in more than one way.
    pub fn target(&self) -> Result<Target<'_>, TargetError> {
        Target::parse(&self.authority, &self.path, &self.method)
    }

    /// A command as browsers and people copy it.
    ///
    /// # Errors
    /// [`CaptureError`] for what is no such command.
    pub fn from_curl(command: &str) -> Result<Self, CaptureError> {
        let joined = command.replace("\\\r\n", " ").replace("\\\n", " ");
        let words = shell_words::split(&joined).map_err(|_| CaptureError::Quotes)?;
        let mut words = words.into_iter();
        if words.next().is_none_or(|first| first != "curl" && !first.ends_with("/curl")) {
            return Err(CaptureError::NotCurl);
        }
        let mut said = Said::default();
        while let Some(word) = words.next() {
            let (option, value) = split_option(&word);
            let mut value = || {
                let next = value.map(str::to_owned).or_else(|| words.next());
                next.ok_or_else(|| CaptureError::Value(option.to_owned()))
            };
            match option {
                "-X" | "--request" => said.method = Some(value()?),
                "-H" | "--header" => said.headers.push(value()?),
                "-A" | "--user-agent" => said.headers.push(format!("user-agent: {}", value()?)),
                "--oauth2-bearer" => {
                    said.headers.push(format!("authorization: Bearer {}", value()?));
                }
                "--url" => said.urls.push(value()?),
                "-I" | "--head" => said.is_head = true,
                "-G" | "--get" => said.is_get = true,
                "--json" => {
                    value()?;
                    said.has_body = true;
                    said.headers.push(format!("{CONTENT_TYPE}: application/json"));
                }
                option if BODIES.contains(&option) => {
                    value()?;
                    said.has_body = true;
                }
                option if WITH_VALUE.contains(&option) => drop(value()?),
                option if option.starts_with('-') => {}
                _ => said.urls.push(word.clone()),
            }
        }
        said.request()
    }

    /// A HAR file (HTTP Archive 1.2), or one of its entries or their requests.
    /// `entry` counts from 1.
    ///
    /// # Errors
    /// [`CaptureError`] for what is no such document.
    pub fn from_har(text: &str, entry: Option<usize>) -> Result<Self, CaptureError> {
        let document: Value = serde_json::from_str(text)?;
        let entries = document.pointer("/log/entries").and_then(Value::as_array);
        let chosen = match (entries, entry) {
            (None, _) => &document,
            (Some(all), None) => match all.as_slice() {
                [only] => only,
                several => return Err(CaptureError::Entries(several.len())),
            },
            (Some(all), Some(number)) => {
                let place = number.checked_sub(1);
                let found = place.and_then(|place| all.get(place));
                found.ok_or(CaptureError::Entries(all.len()))?
            }
        };
        let request = chosen.get("request").unwrap_or(chosen);
        let text = |name| request.get(name).and_then(Value::as_str).ok_or(CaptureError::Har);
        let mut captured = Self::new(text("method")?, text("url")?)?;
        let headers = request.get("headers").and_then(Value::as_array).ok_or(CaptureError::Har)?;
        for header in headers {
            let text = |name| header.get(name).and_then(Value::as_str);
            // Browsers write HTTP/2's own fields there too; the URL has them.
            if let (Some(name), Some(value)) = (text("name"), text("value"))
                && !name.starts_with(':')
            {
                captured.add(name, value);
            }
        }
        Ok(captured)
    }
}

/// What a command says.
#[derive(Default)]
struct Said {
    method: Option<String>,
    urls: Vec<String>,
    headers: Vec<String>,
    has_body: bool,
    is_head: bool,
    is_get: bool,
}

impl Said {
    fn request(self) -> Result<Captured, CaptureError> {
        let url = match self.urls.as_slice() {
            [] => return Err(CaptureError::NoUrl),
            [one] => one,
            _ => return Err(CaptureError::Urls),
        };
        // Without a scheme curl takes http.
        let url = if url.contains("://") { url.clone() } else { format!("http://{url}") };
        let usual = match () {
            () if self.is_head => "HEAD",
            () if self.has_body && !self.is_get => "POST",
            () => "GET",
        };
        let mut captured = Captured::new(self.method.as_deref().unwrap_or(usual), &url)?;
        self.headers.iter().for_each(|line| captured.add_header(line));
        if !captured.headers.contains_key(USER_AGENT) {
            captured.add("user-agent", "curl");
        }
        Ok(captured)
    }
}

/// `--name=value` and `-Xvalue` in two.
fn split_option(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
    }
    let takes_value = |name: &str| {
        ["-X", "-H", "-A"].contains(&name) || BODIES.contains(&name) || WITH_VALUE.contains(&name)
    };
    match word.split_at_checked(2) {
        Some((name, value)) if !value.is_empty() && takes_value(name) => (name, Some(value)),
        _ => (word, None),
    }
}

/// A URL may hold a token in its query.
fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(captured: &Captured) -> String {
        let header = |name: &str| captured.headers.get(name).map(|it| it.to_str().unwrap());
        let token = header("authorization").unwrap_or("no token");
        format!("{} {} {} {token}", captured.method, captured.authority, captured.path)
    }

    #[test]
    fn commands_are_read_as_curl_reads_them() {
        for (command, expected) in [
            ("curl https://a.example/b?c=d", "GET a.example /b?c=d no token"),
            (
                "curl -XPUT 'https://a.example' -H 'Authorization: Bearer x.y.z'",
                "PUT a.example / Bearer x.y.z",
            ),
            (
                "curl --data '{}' \\\n  -H \"authorization: bearer x\" https://a.example/",
                "POST a.example / bearer x",
            ),
            ("curl -s -o /dev/null -d@f a.example -G", "GET a.example / no token"),
            (
                "/usr/bin/curl --url=https://a.example -I --oauth2-bearer t",
                "HEAD a.example / Bearer t",
            ),
            ("curl https://127.0.0.1:1/p -H 'Host: a.example'", "GET a.example /p no token"),
        ] {
            assert_eq!(shown(&Captured::from_curl(command).unwrap()), expected, "{command}");
        }
    }

    #[test]
    fn what_is_no_command_is_told() {
        for (command, why) in [
            ("wget https://a.example", "begin with curl"),
            ("curl 'https://a.example", "quotes"),
            ("curl -H", "-H has no value"),
            ("curl -s", "no URL"),
            ("curl https://a https://b", "several URLs"),
            ("curl ftp://a.example", "no URL of a request"),
            ("curl https://a.example -X eyJhbGciOi.eyJh", "the method is none"),
        ] {
            let error = Captured::from_curl(command).unwrap_err().to_string();
            assert!(error.contains(why), "{command}: {error}");
        }
    }

    #[test]
    fn an_entry_of_a_har_file_is_found_and_several_ask_which() {
        let request = |path: &str| {
            serde_json::json!({"request": {"method": "POST", "url": format!("https://a.example{path}"),
                "headers": [{"name": ":authority", "value": "b"}, {"name": "Authorization", "value": "Bearer t"}]}})
        };
        let one = request("/1").to_string();
        assert_eq!(shown(&Captured::from_har(&one, None).unwrap()), "POST a.example /1 Bearer t");
        let file = serde_json::json!({"log": {"entries": [request("/1"), request("/2")]}});
        let file = file.to_string();
        assert_eq!(
            shown(&Captured::from_har(&file, Some(2)).unwrap()),
            "POST a.example /2 Bearer t"
        );
        for bad in [None, Some(0), Some(3)] {
            let error = Captured::from_har(&file, bad).unwrap_err();
            assert!(matches!(error, CaptureError::Entries(2)), "{error}");
        }
        assert!(matches!(Captured::from_har("{}", None), Err(CaptureError::Har)));
    }

    proptest::proptest! {
        #[test]
        fn no_command_makes_it_panic(command in "curl \\PC{0,60}") {
            let _ = Captured::from_curl(&command);
        }
    }
}
