//! A request out of a HAR file.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use remint_idtoken::{UnixTime, safe};
use serde_json::Value;

use super::{CaptureError, Captured};

/// How many entries are listed for somebody who has to choose.
const LISTED: usize = 20;

impl Captured {
    /// A HAR file (HTTP Archive 1.2), or one of its entries or their requests.
    /// `entry` counts from 1; without it the only one counts, or the only one that was
    /// answered with 401 or 403.
    ///
    /// # Errors
    /// [`CaptureError`] for what is no such document.
    pub fn from_har(text: &str, entry: Option<usize>) -> Result<Self, CaptureError> {
        let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| CaptureError::Json { line: error.line(), column: error.column() })?;
        let entries = document.pointer("/log/entries").and_then(Value::as_array);
        let (chosen, note) = match entries {
            None => (&document, None),
            Some(all) => chosen(all, entry)?,
        };
        let mut captured = read(chosen)?;
        captured.notes.extend(note);
        let creator = document.pointer("/log/creator/name").and_then(Value::as_str);
        // DevTools' change "Export sanitized HARs by default" (Chrome 130).
        let has = |name| captured.headers.contains_key(name);
        if creator == Some("WebInspector") && !has(AUTHORIZATION) && !has(PROXY_AUTHORIZATION) {
            captured.notes.push(
                "Chrome leaves Authorization out of HAR files: allow \"HAR with sensitive data\" in \
                 the settings of DevTools and export it again, or copy the request as cURL"
                    .to_owned(),
            );
        }
        Ok(captured)
    }
}

/// The entry of that number; else the only one that can be meant, with why.
fn chosen(all: &[Value], entry: Option<usize>) -> Result<(&Value, Option<String>), CaptureError> {
    let which = || CaptureError::Entries { count: all.len(), list: list(all) };
    if let Some(number) = entry {
        let found = number.checked_sub(1).and_then(|place| all.get(place));
        return Ok((found.ok_or_else(which)?, None));
    }
    if let [only] = all {
        return Ok((only, None));
    }
    let is_refused = |(_, entry): &(usize, &Value)| matches!(status(entry), Some(401 | 403));
    let mut refused = (1..).zip(all).filter(is_refused);
    match (refused.next(), refused.next()) {
        (Some((number, one)), None) => {
            let count = all.len();
            let why = "the only one that was answered with 401 or 403";
            Ok((one, Some(format!("this is entry {number} of {count}, {why}"))))
        }
        _ => Err(which()),
    }
}

fn read(entry: &Value) -> Result<Captured, CaptureError> {
    let request = entry.get("request").unwrap_or(entry);
    let text = |name| request.get(name).and_then(Value::as_str).ok_or(CaptureError::Har);
    let mut captured = Captured::new(text("method")?, text("url")?)?;
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
    captured.answered = status(entry);
    captured.at = entry.get("startedDateTime").and_then(Value::as_str).and_then(moment);
    Ok(captured)
}

fn status(entry: &Value) -> Option<u16> {
    let status = entry.pointer("/response/status")?.as_u64()?;
    u16::try_from(status).ok().filter(|status| *status > 0)
}

/// ISO 8601 with a zone: `Z` from Chrome, `+01:00` from Firefox.
fn moment(text: &str) -> Option<UnixTime> {
    let (date, zone) = match text.strip_suffix('Z') {
        Some(date) => (date, "+00:00"),
        None => text.split_at_checked(text.len().checked_sub(6)?)?,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let ahead: u64 =
        hours.parse::<u64>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    let ahead = Duration::from_secs(ahead.checked_mul(60)?);
    let local = humantime::parse_rfc3339(&format!("{date}Z")).ok()?;
    let local = UnixTime(local.duration_since(UNIX_EPOCH).ok()?.as_secs());
    match zone.get(..1)? {
        "+" => Some(local.minus(ahead)),
        "-" => Some(local.plus(ahead)),
        _ => None,
    }
}

/// The first entries, by which people know theirs.
fn list(all: &[Value]) -> String {
    let mut list = String::new();
    for (number, entry) in (1..=LISTED).zip(all) {
        let text = |path| entry.pointer(path).and_then(Value::as_str).unwrap_or("?");
        let url = text("/request/url").split(['?', '#']).next().unwrap_or_default();
        let status = status(entry).map_or("-".to_owned(), |it| it.to_string());
        let (method, url) = (safe(text("/request/method")), safe(url));
        let _ = write!(list, "\n  {number:>3}  {status:>3}  {method:<6} {url}");
    }
    match all.len().saturating_sub(LISTED) {
        0 => {}
        more => drop(write!(list, "\n       and {more} more")),
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(path: &str, status: u16) -> Value {
        json!({
            "startedDateTime": "2026-01-31T12:00:00.123Z",
            "request": {"method": "POST", "url": format!("https://a.example{path}"), "headers": [
                {"name": ":authority", "value": "b"}, {"name": "Authorization", "value": "Bearer t"},
            ]},
            "response": {"status": status},
        })
    }

    fn file(entries: &[Value]) -> String {
        json!({"log": {"creator": {"name": "WebInspector"}, "entries": entries}}).to_string()
    }

    #[test]
    fn an_entry_is_found_by_its_number_with_its_time_and_its_answer() {
        let file = file(&[entry("/1", 200), entry("/2", 200)]);
        let captured = Captured::from_har(&file, Some(2)).unwrap();
        assert_eq!(captured.shown(), "POST a.example /2 Bearer t");
        assert_eq!((captured.answered, captured.at), (Some(200), Some(UnixTime(1_769_860_800))));
        assert!(captured.notes.is_empty(), "{:?}", captured.notes);
        let one = entry("/1", 0).to_string();
        assert_eq!(Captured::from_har(&one, None).unwrap().answered, None);
    }

    #[test]
    fn the_only_refused_one_is_meant_and_of_several_people_choose() {
        let one = file(&[entry("/1", 200), entry("/2?t=eyJ", 403), entry("/3", 200)]);
        let captured = Captured::from_har(&one, None).unwrap();
        assert_eq!(captured.path, "/2?t=eyJ");
        assert!(captured.notes[0].contains("entry 2 of 3"), "{:?}", captured.notes);
        let several = file(&[entry("/1", 401), entry("/2?t=eyJ", 403)]);
        for bad in [None, Some(0), Some(3)] {
            let error = Captured::from_har(&several, bad).unwrap_err().to_string();
            assert!(error.contains("has 2 entries: say which with --entry"), "{error}");
            assert!(error.contains("2  403  POST   https://a.example/2") && !error.contains("eyJ"));
        }
    }

    #[test]
    fn times_are_read_with_their_zones() {
        let noon = Some(UnixTime(1_769_860_800));
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.999Z",
            "2026-01-31T13:30:00.1+01:30",
            "2026-01-31T04:00:00-08:00",
        ] {
            assert_eq!(moment(text), noon, "{text}");
        }
        for bad in ["", "soon", "2026-01-31", "2026-01-31T12:00:00", "ääää+01:00"] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_chrome_leaves_out_is_said() {
        let mut without = entry("/1", 401);
        without["request"]["headers"] = json!([]);
        let captured = Captured::from_har(&file(&[without]), None).unwrap();
        assert!(captured.notes[0].contains("Chrome leaves Authorization out"));
    }

    #[test]
    fn what_is_no_har_file_is_told() {
        assert!(matches!(Captured::from_har("{}", None), Err(CaptureError::Har)));
        let error = Captured::from_har("\u{feff}eyJ.eyJ.x", None).unwrap_err().to_string();
        assert!(error.starts_with("not JSON") && !error.contains("eyJ"), "{error}");
    }
}
