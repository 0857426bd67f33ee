//! The project and its accounts.

use remint_idtoken::config::{Object, Reader};

use super::put;
use super::values::{email, list, number, path, text_if};
use crate::config::{AccountKeyFile, Config};

/// Reads the project, its accounts, and which of them get keys.
pub(super) fn read(object: &mut Object<'_>, config: &mut Config) {
    if let Some(project) = object.get("project") {
        read_project(&project, config);
    }
    config.accounts = Config::usual_accounts(&config.project_id);
    put(object, "accounts", read_accounts, &mut config.accounts);
    config.default_account = config.accounts.first().cloned().unwrap_or_default();
    put(object, "default_account", email, &mut config.default_account);
    let keys = |from: &Reader<'_>| list(from, read_key);
    put(object, "account_keys", keys, &mut config.account_keys);
}

fn read_project(from: &Reader<'_>, config: &mut Config) {
    let Some(mut object) = from.object() else { return };
    put(&mut object, "id", read_id, &mut config.project_id);
    put(&mut object, "number", number, &mut config.project_number);
    object.finish();
}

/// Resource Manager, "Creating and managing projects".
fn read_id(from: &Reader<'_>) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_id = |text: &str| {
        (6..=30).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(is_plain)
    };
    let what = "id of a project: 6 to 30 of a-z, 0-9 and -, with a letter first and no - last";
    text_if(from, is_id, what)
}

fn read_accounts(from: &Reader<'_>) -> Option<Vec<String>> {
    let accounts = from.list(email)?;
    from.distinct("account", accounts.iter().map(String::as_str));
    Some(accounts)
}

fn read_key(from: &Reader<'_>) -> Option<AccountKeyFile> {
    let mut object = from.object()?;
    let account = object.need("account").and_then(|it| email(&it));
    let file = object.need("file").and_then(|it| path(&it));
    object.finish();
    Some(AccountKeyFile { account: account?, file: file? })
}
