use std::io;
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use remint_idtoken::TraceContext;
use serde_json::Value;
use tracing::{Level, warn};
use tracing_subscriber::fmt::MakeWriter;

use super::{cloud, text, with};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn trace() -> Option<TraceContext> {
    let value = "105445aa7843bc8bf206b12000100000/74;o=1".parse().unwrap();
    TraceContext::of(&HeaderMap::from_iter([(
        http::HeaderName::from_static("x-cloud-trace-context"),
        value,
    )]))
}

fn say() {
    let refusal = serde_json::json!({"reason": "expired"});
    warn!(
        request_id = "7",
        service = "orders",
        none = None::<u64>,
        http.status = 401,
        http.requestMethod = "GET",
        %refusal,
        "said \"so\"\nand more"
    );
}

#[test]
fn a_line_has_the_fields_that_cloud_logging_knows() {
    let kept = Kept::default();
    let builder = tracing_subscriber::fmt().with_max_level(Level::INFO);
    let subscriber = builder.with_writer(kept.clone()).event_format(cloud::Cloud).finish();
    tracing::subscriber::with_default(subscriber, || {
        with(trace(), say);
        say();
    });
    let text = kept.text();
    let lines: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for line in &lines {
        assert_eq!(line["severity"], "WARNING");
        assert_eq!(line["message"], "said \"so\"\nand more");
        assert_eq!(line["httpRequest"]["status"], 401);
        assert_eq!(line["httpRequest"]["requestMethod"], "GET");
        assert_eq!(line["refusal"]["reason"], "expired");
        let labels = &line["logging.googleapis.com/labels"];
        assert_eq!((&labels["request_id"], &labels["service"]), (&"7".into(), &"orders".into()));
        assert!(line.get("none").is_none() && line.get("timestamp").is_none());
        assert!(humantime::parse_rfc3339(line["time"].as_str().unwrap()).is_ok(), "{line}");
    }
    // The name of the project is told or not, by what runs beside this test.
    let id = "105445aa7843bc8bf206b12000100000";
    let told = &lines[0]["logging.googleapis.com/trace"];
    assert!(told.as_str().unwrap().ends_with(id), "{text}");
    assert!(!lines[1].to_string().contains(id), "{text}");
}

#[test]
fn a_line_for_people_has_the_trace_at_its_end() {
    let kept = Kept::default();
    let builder = tracing_subscriber::fmt().with_max_level(Level::INFO).with_ansi(false);
    let subscriber = builder.with_writer(kept.clone()).event_format(text::Text::default()).finish();
    tracing::subscriber::with_default(subscriber, || with(trace(), || warn!("said")));
    let text = kept.text();
    assert!(text.ends_with("said trace_id=105445aa7843bc8bf206b12000100000\n"), "{text:?}");
    assert!(text.contains("WARN"), "{text}");
}
