//! A curl command as browsers and people copy it.

mod options;
mod words;

use http::header::{CONTENT_TYPE, USER_AGENT};

use super::{CaptureError, Captured};
use options::Kind;

impl Captured {
    /// A command as browsers and people copy it.
    ///
    /// # Errors
    /// [`CaptureError`] for what is no such command.
    pub fn from_curl(command: &str) -> Result<Self, CaptureError> {
        let command = command.trim_start_matches('\u{feff}').trim();
        let command = ["$ ", "> ", "# ", "% "]
            .iter()
            .find_map(|it| command.strip_prefix(it))
            .unwrap_or(command);
        let words = words::words(command).map_err(|error| match is_curl(command) {
            true => error,
            false => CaptureError::NotCurl(other_form(command)),
        })?;
        let mut words = words.into_iter();
        if !words.next().is_some_and(|first| is_curl(&first)) {
            return Err(CaptureError::NotCurl(other_form(command)));
        }
        let mut said = Said::default();
        // What the shell does after it is not the request's affair.
        let mut words = words.take_while(|word| !["|", "||", "&&", "&", ";"].contains(&&**word));
        while let Some(word) = words.next() {
            if is_redirection(&word) {
                if word.ends_with('>') || word.ends_with('<') {
                    words.next();
                }
            } else if let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
                let (name, value) =
                    name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
                said.option(&format!("--{name}"), Kind::of(name), value, &mut words)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
                said.letters(letters, &mut words)?;
            } else {
                said.urls.push(word);
            }
        }
        said.request()
    }
}

fn is_curl(word: &str) -> bool {
    let first = word.split_whitespace().next().unwrap_or_default();
    let name = first.rsplit(['/', '\\']).next().unwrap_or(first);
    name == "curl" || name == "curl.exe"
}

/// What browsers copy beside curl's commands, and what it is called there.
fn other_form(text: &str) -> &'static str {
    let has = |mark: &str| text.contains(mark);
    if has("Invoke-WebRequest") || has("Invoke-RestMethod") {
        "a command of PowerShell's"
    } else if text.starts_with("fetch(") || text.starts_with("await fetch(") {
        "a call of fetch"
    } else if text.starts_with('{') || text.starts_with('[') {
        "JSON: for a HAR file say har in place of curl"
    } else if text.starts_with("eyJ") || text.starts_with("Bearer ") {
        "a token: say token in place of curl, with --url"
    } else if text.is_empty() {
        "nothing"
    } else {
        "something else"
    }
}

/// `2>/dev/null` and its like.
fn is_redirection(word: &str) -> bool {
    word.trim_start_matches(['1', '2', '&']).starts_with(['>', '<'])
}

/// What a command says.
#[derive(Default)]
struct Said {
    method: Option<String>,
    urls: Vec<String>,
    headers: Vec<String>,
    notes: Vec<String>,
    has_body: bool,
    is_head: bool,
    is_get: bool,
}

impl Said {
    /// Options of one letter, of which the last one may have its value behind it.
    fn letters(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), CaptureError> {
        for (at, letter) in letters.char_indices() {
            let name = letter.to_string();
            let kind = Kind::of(&name);
            let rest = letters.get(at.saturating_add(letter.len_utf8())..).unwrap_or_default();
            let value = Some(rest).filter(|rest| !rest.is_empty());
            if kind.has_value() {
                return self.option(&format!("-{name}"), kind, value, words);
            }
            self.option(&name, kind, None, words)?;
        }
        Ok(())
    }

    fn option(
        &mut self,
        name: &str,
        kind: Kind,
        value: Option<&str>,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), CaptureError> {
        let value = match kind.has_value() {
            true => {
                let value = value.map(str::to_owned).or_else(|| words.next());
                value.ok_or_else(|| CaptureError::Value(name.to_owned()))?
            }
            false => String::new(),
        };
        match kind {
            Kind::Method => self.method = Some(value),
            Kind::Header if value.starts_with('@') => return Err(CaptureError::HeaderFile),
            Kind::Header => self.headers.push(value),
            Kind::Agent => self.headers.push(format!("user-agent: {value}")),
            Kind::Bearer => self.headers.push(format!("authorization: Bearer {value}")),
            // The password is nobody's business.
            Kind::Login => self.headers.push("authorization: Basic".to_owned()),
            Kind::Url => self.urls.push(value),
            Kind::Body => self.has_body = true,
            Kind::Json => {
                self.has_body = true;
                self.headers.push(format!("{CONTENT_TYPE}: application/json"));
            }
            Kind::Config => self.notes.push(format!("the file that {name} names was not read")),
            Kind::Head => self.is_head = true,
            Kind::Get => self.is_get = true,
            Kind::Next => return Err(CaptureError::Urls),
            Kind::Other | Kind::Flag => {}
        }
        Ok(())
    }

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
        captured.notes.extend(self.notes);
        Ok(captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 15] = [
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
        ("/usr/bin/curl --url=https://a.example -I --oauth2-bearer t", "HEAD a.example / Bearer t"),
        ("curl https://127.0.0.1:1/p -H 'Host: a.example'", "GET a.example /p no token"),
        ("curl -sSfH 'Authorization: Bearer t' https://a.example", "GET a.example / Bearer t"),
        ("curl --header='Authorization: Bearer t' https://a.example", "GET a.example / Bearer t"),
        ("$ curl -kv https://a.example -w '%{http_code}' | jq .", "GET a.example / no token"),
        ("curl https://a.example 2>/dev/null > out && echo done", "GET a.example / no token"),
        ("curl.exe -u me:secret https://a.example", "GET a.example / Basic"),
        ("curl --max-time 5 --retry-max-time 9 https://a.example", "GET a.example / no token"),
        (
            "curl $'https://a.example/it\\'s' -H $'authorization: Bearer t' --data-raw $'\\u0021'",
            "POST a.example /it's Bearer t",
        ),
        (
            "curl ^\"https://a.example/?b=1^&c=2^\" ^\n  -H ^\"authorization: Bearer t^\" ^\n  -X ^\"POST^\"",
            "POST a.example /?b=1&c=2 Bearer t",
        ),
        ("curl wss://a.example/ws", "GET a.example /ws no token"),
    ];

    #[test]
    fn commands_are_read_as_curl_reads_them() {
        for (command, expected) in GOOD {
            let captured = Captured::from_curl(command);
            let captured = captured.unwrap_or_else(|error| panic!("{command}: {error}"));
            assert_eq!(captured.shown(), expected, "{command}");
        }
    }

    #[test]
    fn what_is_no_command_is_told() {
        for (command, why) in [
            ("wget https://a.example", "begin with curl: it is something else"),
            ("", "it is nothing"),
            ("fetch(\"https://a.example\", {})", "a call of fetch"),
            ("Invoke-WebRequest -Uri \"https://a.example\"", "PowerShell"),
            ("{\"log\": {}}", "say har in place of curl"),
            ("eyJhbGciOi.eyJh.x", "say token in place of curl"),
            ("curl 'https://a.example", "quotes"),
            ("curl -H", "-H has no value"),
            ("curl -s", "no URL"),
            ("curl https://a https://b", "several requests"),
            ("curl https://a --next https://b", "several requests"),
            ("curl ftp://a.example", "no URL of a request"),
            ("curl https://a.example -H @headers.txt", "a file of headers"),
            ("curl https://a.example -X eyJhbGciOi.eyJh", "the method is none"),
        ] {
            let error = Captured::from_curl(command).unwrap_err().to_string();
            assert!(error.contains(why), "{command}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_command_makes_it_panic(command in "curl \\PC{0,60}|curl [-$'\"\\\\^ a-z:/\n]{0,60}") {
            let _ = Captured::from_curl(&command);
        }
    }
}
