//! The documents: their schemas, their readers, and one of each that has
//! every member.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use remint_emulator::AccountKey;
use remint_gateway::config::{Config, Environment};
use remint_idtoken::Policy;
use remint_idtoken::config::Problem;
use remint_tests::shipped::{read, workspace};
use serde_json::Value;

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Policy,
    Plugin,
    Gateway,
    Emulator,
}
pub use Kind::{Emulator, Gateway, Plugin, Policy as PolicyKind};

impl Kind {
    pub const ALL: [Self; 4] = [Self::Policy, Self::Plugin, Self::Gateway, Self::Emulator];

    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Plugin => "plugin",
            Self::Gateway => "gateway",
            Self::Emulator => "emulator",
        }
    }

    pub fn schema(self) -> Value {
        read(&workspace().join(format!("schema/{}.json", self.name()))).unwrap()
    }

    /// A right document that has every member.
    pub fn everything(self) -> Value {
        let document = |kind: Self| read(&here().join(format!("{}.yaml", kind.name()))).unwrap();
        let mut all = document(self);
        if [Self::Plugin, Self::Gateway].contains(&self) {
            all["policy"] = document(Self::Policy);
        }
        all
    }

    /// What the program that reads it finds wrong with it, each mistake with
    /// its path.
    pub fn mistakes(self, document: &Value) -> Vec<String> {
        let text = document.to_string();
        match self {
            Self::Policy => shown(Policy::from_json(&text).err()),
            Self::Plugin => {
                remint_filter::check_configuration(text.as_bytes()).err().unwrap_or_default()
            }
            Self::Gateway => shown(Config::read(&text, files(), &Environment::default()).err()),
            Self::Emulator => shown(remint_emulator::file::parse(&text).err()),
        }
    }

    pub fn validator(self) -> Validator {
        let address = |name: &str| format!("file:///schema/{name}.json");
        let registry = Registry::new().add(address("policy"), Self::Policy.schema()).unwrap();
        let registry = registry.prepare().unwrap();
        let options = jsonschema::options().with_registry(&registry);
        options.with_base_uri(address(self.name())).build(&self.schema()).unwrap()
    }

    /// What is wrong with it by its schema.
    pub fn violations(self, document: &Value) -> Vec<String> {
        let validator = self.validator();
        let errors = validator.iter_errors(document);
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

fn here() -> PathBuf {
    workspace().join("tests/tests/configuration")
}

/// A folder with the files that the gateway's document names, among them a key,
/// which belongs into no repository.
fn files() -> &'static Path {
    static FILES: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("configuration");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["ca.pem", "external.json", "server.pem", "server.key", "assertion-keys.json"] {
            std::fs::copy(here().join(name), folder.join(name)).unwrap();
        }
        let key = AccountKey::generate("runner@demo-project.iam.gserviceaccount.com").unwrap();
        let key = key.file("https://oauth2.googleapis.com/token");
        std::fs::write(folder.join("key.json"), key).unwrap();
        folder
    });
    &FILES
}

/// The mistakes without lines and columns, which only YAML has.
fn shown(problems: Option<Vec<Problem>>) -> Vec<String> {
    let without_place = |problem| Problem { at: None, ..problem };
    problems.into_iter().flatten().map(|it| without_place(it).to_string()).collect()
}

/// The pointers of all values below a document, the outer ones first.
pub fn places(document: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut next = 0;
    while let Some(place) = all.get(next).cloned() {
        let below = match document.pointer(&place).unwrap() {
            Value::Object(members) => members.keys().map(|name| escaped(name)).collect(),
            Value::Array(items) => (0..items.len()).map(|item| item.to_string()).collect(),
            _ => Vec::new(),
        };
        all.extend(below.into_iter().map(|it| format!("{place}/{it}")));
        next += 1;
    }
    all
}

/// A name as a part of a JSON pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

pub fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
