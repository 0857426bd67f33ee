//! `eventarc`: a list of triggers.
//!
//! ```yaml
//! eventarc:
//!   - name: uploads
//!     location: us-central1
//!     filters: { type: google.cloud.storage.object.v1.finalized, bucket: uploads }
//!     service_account: pusher@demo-project.iam.gserviceaccount.com
//!     cloud_run: { service: orders, region: us-central1, path: /events }
//! ```

use remint_idtoken::config::Reader;

use super::values::{email, endpoint, list, name, text_if, topic};
use crate::config::{Destination, Trigger};
use crate::target::parts;

/// Reads the section.
pub(super) fn read(from: &Reader<'_>) -> Option<Vec<Trigger>> {
    let triggers = list(from, trigger)?;
    let names: Vec<_> = triggers.iter().map(|it| format!("{}/{}", it.location, it.name)).collect();
    from.distinct("trigger", names.iter().map(String::as_str));
    Some(triggers)
}

fn trigger(from: &Reader<'_>) -> Option<Trigger> {
    let mut object = from.object()?;
    let id = object.need("name").and_then(|it| trigger_id(&it));
    let location = object.need("location").and_then(|it| name(&it));
    let filters = object.need("filters").and_then(|it| filters(&it));
    let service_account = object.maybe("service_account", email);
    let run = object.maybe("cloud_run", cloud_run);
    let http = object.maybe("http", endpoint::pushed_to);
    let topic = object.maybe("topic", topic);
    let channel = object.maybe("channel", channel);
    let reader = object.reader().clone();
    object.finish();
    let location = location?;
    let destination = match (run?, http?) {
        (Some((service, region, path)), None) => Destination::CloudRun {
            service,
            region: region.unwrap_or_else(|| location.clone()),
            path: path.unwrap_or_else(|| "/".to_owned()),
        },
        (None, Some(uri)) => Destination::Http { uri },
        _ => {
            reader.problem("where events go: one of \"cloud_run\" and \"http\"");
            return None;
        }
    };
    Some(Trigger {
        name: id?,
        location,
        filters: filters?,
        service_account: service_account?,
        destination,
        topic: topic?,
        channel: channel?,
    })
}

/// Attributes and values; `type` must be there.
fn filters(from: &Reader<'_>) -> Option<Vec<(String, String)>> {
    let object = from.object()?;
    let entries = object.entries();
    let read =
        entries.iter().map(|(name, value)| Some(((*name).to_owned(), value.text()?.to_owned())));
    let read: Vec<_> = read.collect();
    if !entries.iter().any(|(name, _)| *name == "type") {
        from.problem("\"type\" is missing");
    }
    read.into_iter().collect()
}

type Run = (String, Option<String>, Option<String>);

fn cloud_run(from: &Reader<'_>) -> Option<Run> {
    let mut object = from.object()?;
    let service = object.need("service").and_then(|it| name(&it));
    let region = object.maybe("region", name);
    let path = object
        .maybe("path", |it| text_if(it, |text| text.starts_with('/'), "path: it begins with /"));
    object.finish();
    Some((service?, region?, path?))
}

/// As Eventarc's API has it: 63 at most.
fn trigger_id(from: &Reader<'_>) -> Option<String> {
    let is_id = |text: &str| {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        text.len() <= 63
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(is_plain)
    };
    text_if(from, is_id, "name of a trigger: use a-z, 0-9 and -, with a letter first, 63 at most")
}

fn channel(from: &Reader<'_>) -> Option<String> {
    let is_channel = |text: &str| parts(text, ["projects", "locations", "channels"]).is_ok();
    text_if(from, is_channel, "channel: expected projects/PROJECT/locations/LOCATION/channels/NAME")
}

#[cfg(test)]
mod tests {
    use super::super::tests::section;
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Trigger>, Vec<String>> {
        section(text, read)
    }

    #[test]
    fn both_kinds_of_destination_are_read() {
        let read = read_text(
            "- name: uploads\n\
             \x20 location: us-central1\n\
             \x20 filters: { type: a.b, bucket: c }\n\
             \x20 service_account: a@b\n\
             \x20 cloud_run: { service: orders }\n\
             - { name: other, location: us-central1, filters: { type: t }, http: 'http://localhost:1/', topic: orders, channel: projects/p/locations/l/channels/c }\n",
        );
        let read = read.unwrap();
        let run = Destination::CloudRun {
            service: "orders".into(),
            region: "us-central1".into(),
            path: "/".into(),
        };
        assert_eq!(read[0].destination, run);
        assert_eq!(read[0].filters[1], ("bucket".to_owned(), "c".to_owned()));
        assert_eq!(read[1].destination, Destination::Http { uri: "http://localhost:1/".into() });
        assert_eq!(
            (read[1].topic.as_deref(), read[1].channel.as_deref()),
            (Some("orders"), Some("projects/p/locations/l/channels/c"))
        );
    }

    #[test]
    fn mistakes_are_all_found() {
        let found = read_text(
            "- { name: a, location: l, filters: { bucket: b }, cloud_run: { service: s, path: p } }\n\
             - { name: a, location: l, filters: { type: t } }\n",
        );
        let found = found.unwrap_err().join("\n");
        for part in ["\"type\" is missing", "begins with /", "where events go"] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
}
