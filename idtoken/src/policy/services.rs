//! A service in several regions, whose URLs are audiences.

use crate::config::{Object, Reader};

/// Abbreviations of regions in the older form of Cloud Run's URLs. Google does
/// not document them as a list; these were seen in URLs of services.
const CODES: [(&str, &str); 34] = [
    ("asia-east1", "de"),
    ("asia-east2", "df"),
    ("asia-northeast1", "an"),
    ("asia-northeast2", "dt"),
    ("asia-northeast3", "du"),
    ("asia-south1", "el"),
    ("asia-south2", "em"),
    ("asia-southeast1", "as"),
    ("asia-southeast2", "et"),
    ("australia-southeast1", "ts"),
    ("australia-southeast2", "km"),
    ("europe-central2", "lm"),
    ("europe-north1", "lz"),
    ("europe-southwest1", "no"),
    ("europe-west1", "ew"),
    ("europe-west2", "nw"),
    ("europe-west3", "ey"),
    ("europe-west4", "ez"),
    ("europe-west6", "oa"),
    ("europe-west8", "oc"),
    ("europe-west9", "od"),
    ("me-west1", "zf"),
    ("northamerica-northeast1", "nn"),
    ("northamerica-northeast2", "pd"),
    ("southamerica-east1", "rj"),
    ("southamerica-west1", "tl"),
    ("us-central1", "uc"),
    ("us-east1", "ue"),
    ("us-east4", "uk"),
    ("us-east5", "ul"),
    ("us-south1", "vp"),
    ("us-west1", "uw"),
    ("us-west2", "wl"),
    ("us-west4", "wn"),
];

/// The region with that abbreviation, if it is one of those that are known.
pub(super) fn region_of(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(_, known)| *known == code).map(|(name, _)| *name)
}

/// A region, and its abbreviation where the user gives one.
struct Region<'n> {
    from: Reader<'n>,
    name: &'n str,
    code: Option<&'n str>,
}

/// Reads one service and expands it to the URLs that Cloud Run gives it, in
/// the order of its regions: `https://NAME-NUMBER.REGION.run.app` and, where
/// `hash` says the letters, `https://NAME-HASH-CODE.a.run.app`.
pub(super) fn read_service(name: &str, from: &Reader<'_>) -> Option<Vec<String>> {
    let mut object = from.object()?;
    let service = object.maybe("name", |it| it.parsed(label));
    let number = object.maybe("project_number", |it| it.parsed(project_number));
    let hash = object.maybe("hash", |it| it.parsed(label));
    let regions = object.need("regions").and_then(|list| list.list(read_region));
    let place = object.reader().clone();
    object.finish();
    let (service, number, hash) = (service?, number?, hash?);
    let service =
        service.map_or_else(|| label(name).map_err(|why| place.problem(why)).ok(), Some)?;
    if number.is_none() && hash.is_none() {
        place.problem("\"project_number\" is missing, or \"hash\", or both: they make its URLs");
        return None;
    }
    let urls = regions?.into_iter().map(|region| {
        let hashed = match &hash {
            Some(hash) => Some(format!("https://{service}-{hash}-{}.a.run.app", region.code()?)),
            None => None,
        };
        let named = |number| format!("https://{service}-{number}.{}.run.app", region.name);
        Some(number.as_ref().map(named).into_iter().chain(hashed))
    });
    let urls: Vec<_> = urls.collect();
    Some(urls.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// `us-central1`, or `{name: us-central1, code: uc}`.
fn read_region<'n>(from: &Reader<'n>) -> Option<Region<'n>> {
    let is_label = |it: &Reader<'_>| it.parsed(label).is_some();
    if !matches!(from.node().kind, crate::config::Kind::Map(_)) {
        return is_label(from).then(|| from.text())?.map(|name| Region {
            from: from.clone(),
            name,
            code: None,
        });
    }
    let mut object: Object<'n> = from.object()?;
    let name = object.need("name").filter(is_label).and_then(|it| it.text());
    let code = object.maybe("code", |it| is_label(it).then(|| it.text())?);
    object.finish();
    Some(Region { from: from.clone(), name: name?, code: code? })
}

impl<'n> Region<'n> {
    fn code(&self) -> Option<&'n str> {
        let known = || CODES.iter().find(|(name, _)| *name == self.name).map(|(_, code)| *code);
        let code = self.code.or_else(known);
        if code.is_none() {
            self.from.problem(format!(
                "the abbreviation of {:?} in URLs is not known here: write {{name: {}, code: XX}}",
                self.name, self.name
            ));
        }
        code
    }
}

/// A part of a host name (RFC 1123, section 2.1).
fn label(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-');
    match is_label {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no part of a run.app URL: use a-z, 0-9 and -")),
    }
}

fn project_number(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no project number, which has digits alone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Node, Problems};

    fn read(json: &str) -> Result<Vec<String>, Vec<String>> {
        let node: Node = serde_json::from_str(json).unwrap();
        let problems = Problems::default();
        let urls = read_service("orders", &Reader::root(&node, &problems));
        problems.finish(urls).map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn regions_expand_to_both_forms_of_their_urls_in_their_order() {
        let urls = read(
            r#"{"project_number": "123", "hash": "abc", "regions":
                ["us-central1", {"name": "mars-north1", "code": "mn"}]}"#,
        );
        assert_eq!(
            urls.unwrap(),
            [
                "https://orders-123.us-central1.run.app",
                "https://orders-abc-uc.a.run.app",
                "https://orders-123.mars-north1.run.app",
                "https://orders-abc-mn.a.run.app",
            ]
        );
    }

    #[test]
    fn what_makes_no_url_is_a_mistake() {
        for (json, mistake) in [
            (r#"{"regions": ["us-central1"]}"#, "\"project_number\" is missing, or \"hash\""),
            (r#"{"project_number": "p", "regions": ["us-central1"]}"#, "is no project number"),
            (r#"{"hash": "abc", "regions": ["mars-north1"]}"#, "the abbreviation of"),
            (r#"{"hash": "abc", "regions": ["us/1"]}"#, "is no part of a run.app URL"),
            (r#"{"hash": "abc", "regions": []}"#, "must not be empty"),
        ] {
            let found = read(json).unwrap_err().join("\n");
            assert!(found.contains(mistake), "{json}: {found}");
        }
    }
}
