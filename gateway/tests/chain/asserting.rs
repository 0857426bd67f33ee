//! Assertions of who called, and how containers check them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use remint_kept::{keep_output, source};
use serde_json::Value;
use tokio::time::timeout;

use crate::client::{PATIENCE, get, send};
use crate::raw_region::{Habit, RawRegion};
use crate::support::{AUDIENCE, CALLER, Chain, Folder, Google, HOST};
use crate::websocket::http_2;

const ISSUER: &str = "https://gateway.example.com";
const PUBLISHED: &str = "/.well-known/remint/jwks.json";

/// Key files that outlive the gateway's start, and a configuration with them.
fn asserting(folder: &Folder, text: &str) -> String {
    let keys = [(); 2].map(|()| remint_gateway::new_assertion_key().unwrap()).concat();
    let file = folder.write("assertion-keys.pem", &keys);
    format!("{text}assertion: {{ issuer: \"{ISSUER}\", keys: \"{}\" }}\n", file.display())
}

async fn chain_before(regions: &[(String, String)], google: Google, folder: &Folder) -> Chain {
    let change = |text: String| {
        let rule = "    - { name: open, match: { paths: [{ exact: /open }] }, anonymous: true }\n";
        let rule = format!(
            "  rules:\n{rule}    - {{ name: quiet, match: {{ paths: [{{ exact: /quiet }}] }}, audiences: [\"{AUDIENCE}\"], callers: {{ anyone: true }} }}\n"
        );
        let text = text.replacen("  rules:\n", &rule, 1);
        let rules = "rules: [push, open, { rule: quiet, assertion: false }]";
        asserting(folder, &text.replace("rules: [push]", rules))
    };
    let chain = Chain::before(google, regions, change).await;
    chain.ready().await;
    chain
}

#[tokio::test]
async fn each_region_is_told_who_called_for_its_own_audience() {
    let (google, folder) = (Google::start().await, Folder::new());
    let regions = google.regions();
    let chain = chain_before(&regions, google, &folder).await;
    let mut told = Vec::new();
    for _ in 0..6 {
        let request = chain.request("/").header("x-remint-assertion", "forged");
        let seen = chain.send(request).await.json();
        let said = seen["headers"]["x-remint-assertion"]["claims"].clone();
        assert_eq!((&said["aud"], &said["iss"]), (&seen["audience"], &ISSUER.into()));
        assert_eq!((&said["email"], &said["rule"]), (&CALLER.into(), &"push".into()));
        assert_eq!(said["original_aud"], AUDIENCE);
        told.push(said);
    }
    let regions: BTreeSet<_> = told.iter().map(|said| said["region"].as_str()).collect();
    let different: BTreeSet<_> = told.iter().map(Value::to_string).collect();
    assert_eq!((regions.len(), different.len()), (2, 2), "each has one, again and again");
    chain.clock.jump(Duration::from_secs(31));
    let later = chain.get("/").await.json()["headers"]["x-remint-assertion"]["claims"].clone();
    assert!(later["iat"].as_u64() > told[0]["iat"].as_u64());
}

#[tokio::test]
async fn an_attempt_in_another_region_carries_that_regions_assertion() {
    let (google, folder) = (Google::start().await, Folder::new());
    let regions = google.regions();
    let chain = chain_before(&regions, google, &folder).await;
    chain.emulator.region("orders", "us-central1").unwrap().stop().await;
    // Both are tried first within a few requests; it may be once or twice.
    for _ in 0..4 {
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        let said = &seen["headers"]["x-remint-assertion"]["claims"];
        assert_eq!((&said["aud"], &seen["region"]), (&seen["audience"], &"europe-west1".into()));
    }
    assert!(chain.figure("remint_retries_total", "").await > 0, "one was tried in both");
}

#[tokio::test]
async fn nothing_is_said_of_callers_who_were_not_verified_or_are_left_out() {
    let (google, folder) = (Google::start().await, Folder::new());
    let regions = google.regions();
    let chain = chain_before(&regions, google, &folder).await;
    for path in ["/open", "/quiet"] {
        let answer = chain.send(chain.request(path).header("x-remint-assertion", "forged")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["headers"].get("x-remint-assertion").is_none(), "{path}");
    }
}

#[tokio::test]
async fn the_keys_are_published_to_everybody_and_are_public() {
    let (google, folder) = (Google::start().await, Folder::new());
    let regions = google.regions();
    let chain = chain_before(&regions, google, &folder).await;
    for at in [chain.gateway.address(), chain.gateway.admin_address()] {
        let page = get(at, PUBLISHED).await;
        assert_eq!(
            (page.status.as_u16(), page.header("cache-control")),
            (200, Some("public, max-age=300"))
        );
        let jwks = page.json();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
        assert!(!page.text().contains("\"d\""));
    }
    let post = Request::post(PUBLISHED).header("host", HOST).body(Default::default()).unwrap();
    assert_eq!(send(chain.gateway.address(), post).await.status, 405);
    let plain = Chain::start().await;
    assert_eq!(get(plain.gateway.address(), PUBLISHED).await.status, 403, "there is nothing");
    assert_eq!(get(plain.gateway.admin_address(), PUBLISHED).await.status, 404);
}

#[tokio::test]
async fn no_page_of_the_gateway_s_own_is_taken_for_a_socket() {
    let (google, folder) = (Google::start().await, Folder::new());
    let regions = google.regions();
    let chain = chain_before(&regions, google, &folder).await;
    let admin = chain.gateway.admin_address();
    for (at, path) in
        [(chain.gateway.address(), PUBLISHED), (admin, PUBLISHED), (admin, "/healthz")]
    {
        let mut sender = http_2(at).await;
        let request = Request::connect(format!("http://127.0.0.1{path}"))
            .version(Version::HTTP_2)
            .extension(Protocol::from_static("websocket"));
        let answer = sender.send_request(request.body(Empty::new()).unwrap());
        assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().status(), 405, "{path}");
    }
}

/// The code block of that language in the documentation.
fn snippet(language: &str) -> String {
    let text = include_str!("../../../docs/caller-assertion.md");
    let (_, rest) = text.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("\n```\n").unwrap().0.to_owned() + "\n"
}

/// A language, and how it runs its snippet with an assertion from its input.
struct Language {
    name: &'static str,
    file: &'static str,
    program: &'static str,
    run: [&'static str; 2],
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "python",
        file: "remint_caller.py",
        program: "python3",
        run: [
            "-c",
            "import json, sys, remint_caller as r; print(json.dumps(r.caller(sys.stdin.read())))",
        ],
    },
    Language {
        name: "js",
        file: "remint_caller.mjs",
        program: "node",
        run: [
            "--input-type=module",
            "--eval=import { readFileSync } from 'node:fs';\
             const { caller } = await import(process.cwd() + '/remint_caller.mjs');\
             console.log(JSON.stringify(await caller(readFileSync(0, 'utf8'))));",
        ],
    },
];

impl Language {
    /// The claims that the snippet reads, or what it says against them.
    fn check(
        &self,
        folder: &Folder,
        keys: &str,
        audience: &str,
        assertion: &str,
    ) -> Result<Value, String> {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python");
        assert!(packages.join("jwt").exists(), "PyJWT is missing: cargo xtask setup");
        let mut program = Command::new(self.program)
            .args(self.run)
            .current_dir(folder.path())
            .env("PYTHONPATH", packages)
            .envs([("REMINT_KEYS", keys), ("REMINT_ISSUER", ISSUER), ("REMINT_AUDIENCE", audience)])
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} is needed: {error}", self.program));
        program.stdin.take().unwrap().write_all(assertion.as_bytes()).unwrap();
        let output = program.wait_with_output().unwrap();
        keep_output(source::SCRIPTS, &output, None);
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

/// The last assertion that reached a region.
fn assertion(region: &RawRegion) -> String {
    let text = region.text();
    let (_, rest) = text.rsplit_once("x-remint-assertion: ").unwrap();
    rest.split_once("\r\n").unwrap().0.to_owned()
}

/// With the claims changed, and with another letter in the signature.
fn tampered(assertion: &str) -> [String; 2] {
    let [head, claims, signature]: [&str; 3] =
        assertion.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    said["email"] = "boss@example.com".into();
    let changed = URL_SAFE_NO_PAD.encode(said.to_string());
    let letter = if signature.starts_with('A') { "B" } else { "A" };
    [
        format!("{head}.{changed}.{signature}"),
        format!("{head}.{claims}.{letter}{}", &signature[1..]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentations_snippets_take_what_is_right_and_nothing_else() {
    let (region, folder) = (RawRegion::start(Habit::Answer).await, Folder::new());
    let chain = chain_before(&[region.entry()], Google::start().await, &folder).await;
    let audience = region.entry().1;
    assert_eq!(chain.get("/").await.status, 200);
    let good = assertion(&region);
    chain.clock.set_back(Duration::from_secs(600));
    assert_eq!(chain.get("/").await.status, 200);
    let expired = assertion(&region);
    assert_ne!(good, expired);
    let keys = format!("http://{}{PUBLISHED}", chain.gateway.address());
    for language in LANGUAGES {
        folder.write(language.file, &snippet(language.name));
        let check = |audience: &str, assertion: &str| {
            tokio::task::block_in_place(|| language.check(&folder, &keys, audience, assertion))
        };
        let told = check(&audience, &good).unwrap();
        assert_eq!((&told["email"], &told["rule"]), (&CALLER.into(), &"push".into()));
        let refused = |audience: &str, assertion: &str, why: &str| {
            let error = check(audience, assertion).unwrap_err().to_lowercase();
            assert!(error.contains(why), "{}: {why} is not in {error}", language.name);
        };
        refused(&audience, &expired, "expired");
        refused(
            "https://other.example",
            &good,
            match language.name {
                "python" => "audience",
                _ => "meant for somebody else",
            },
        );
        for wrong in tampered(&good) {
            refused(&audience, &wrong, "signature");
        }
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            good.split('.').nth(1).unwrap()
        );
        assert!(check(&audience, &unsigned).is_err(), "{}", language.name);
        assert!(check(&audience, "").is_err(), "{}", language.name);
    }
}
