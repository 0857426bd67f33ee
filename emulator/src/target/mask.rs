//! Updates of some fields (AIP-134).

use serde_json::{Map, Value};

use super::ApiError;

/// How deep a path goes at most: no resource here is that deep.
const DEEPEST: usize = 8;

/// The resource with the fields of `mask` taken from `given`, or all that are
/// there if the mask is empty. Paths are as in the JSON (`retryConfig`) or as in
/// the protocol buffers (`retry_config`).
///
/// # Errors
/// `INVALID_ARGUMENT` for a path that leads nowhere.
pub(crate) fn updated(
    mut resource: Value,
    given: &Value,
    mask: &[String],
) -> Result<Value, ApiError> {
    let all: Vec<String>;
    let paths = match (mask, given) {
        ([], Value::Object(members)) => {
            all = members.keys().cloned().collect();
            &all
        }
        _ => mask,
    };
    for path in paths {
        let path: Vec<String> = path.split('.').take(DEEPEST).map(camel).collect();
        if path.len() == DEEPEST {
            return Err(ApiError::invalid("updateMask: there is no field so deep"));
        }
        set(&mut resource, given, &path);
    }
    Ok(resource)
}

fn set(resource: &mut Value, given: &Value, path: &[String]) {
    let [name, rest @ ..] = path else {
        return;
    };
    let given = given.get(name);
    if !resource.is_object() {
        *resource = Map::new().into();
    }
    let Some(members) = resource.as_object_mut() else {
        return;
    };
    match (rest, given) {
        ([], None) => drop(members.remove(name)),
        ([], Some(value)) => drop(members.insert(name.clone(), value.clone())),
        (_, given) => {
            let inner = members.entry(name.clone()).or_insert_with(|| Map::new().into());
            set(inner, given.unwrap_or(&Value::Null), rest);
        }
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_of_the_mask_are_set_or_cleared_and_no_others() {
        let before = json!({ "a": 1, "inThere": { "b": 2, "c": 3 }, "d": 4 });
        let given = json!({ "a": 9, "inThere": { "b": 8 } });
        let mask = ["in_there.b", "in_there.c", "d"].map(str::to_owned);
        let after = json!({ "a": 1, "inThere": { "b": 8 } });
        assert_eq!(updated(before.clone(), &given, &mask), Ok(after));
        let after = json!({ "a": 9, "inThere": { "b": 8 }, "d": 4 });
        assert_eq!(updated(before, &given, &[]), Ok(after));
    }

    #[test]
    fn a_path_that_is_deeper_than_any_resource_is_refused() {
        let mask = ["a.".repeat(1_000_000)];
        assert!(updated(json!({}), &json!({}), &mask).is_err());
    }
}
