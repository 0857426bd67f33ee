use super::*;

/// Of the form only: nobody's.
const HEADER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQifQ";
const PAYLOAD: &str = "eyJhdWQiOiJodHRwczovL2EuZXhhbXBsZSJ9";

/// So many letters as good as random, the same at each call.
fn random(count: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 7_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(LETTERS[usize::try_from(state >> 26).unwrap()])
    };
    (0..count).map(|_| letter()).collect()
}

fn jwt() -> String {
    format!("{HEADER}.{PAYLOAD}.{}", random(342))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64 of text whose length three divides.
fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63]))
    };
    text.as_bytes().chunks_exact(3).flat_map(letters).collect()
}

fn kinds(text: &str) -> Vec<Kind> {
    leaks(text.as_bytes()).iter().map(|leak| leak.kind).collect()
}

#[test]
fn a_jwt_is_found_whole_or_in_parts_wherever_it_stands() {
    for text in [
        jwt(),
        format!("authorization: Bearer {}", jwt()),
        format!("GET /a?token={} HTTP/1.1", jwt()),
        format!("Bearer%20{}", jwt()),
        format!(r#"{{\"token\":\"{}\"}}"#, jwt()),
        format!(r"header\n{HEADER}"),
        format!("the claims {PAYLOAD} of it"),
        format!("{HEADER}.{PAYLOAD}.SIGNATURE_REMOVED_BY_GOOGLE"),
        format!("x.{PAYLOAD}"),
        jwt().to_ascii_lowercase(),
        jwt().replace('.', "%2E"),
    ] {
        assert!(matches!(kinds(&text)[..], [Kind::Jwt | Kind::Bearer, ..]), "{text}");
    }
}

#[test]
fn a_jwt_is_found_as_numbers() {
    let bearer = format!("Bearer {HEADER}");
    let decimal = format!("{:?}", HEADER.as_bytes());
    for text in [hex(HEADER), hex(&bearer), hex(HEADER).to_ascii_uppercase(), decimal] {
        assert_eq!(kinds(&text), [Kind::JwtInNumbers], "{text}");
    }
}

#[test]
fn a_signature_alone_and_a_token_encoded_once_more_are_found() {
    // ES256, RSA of 2048 bits; with something glued to it.
    for signature in [random(86), random(342), format!("id-{}", random(86))] {
        assert_eq!(kinds(&format!("sig={signature}")), [Kind::Unbroken]);
    }
    for before in ["", " ", "  ", "Bearer "] {
        let encoded = base64(&format!("{before}{HEADER}.{PAYLOAD}"));
        assert_eq!(kinds(&encoded), [Kind::Unbroken], "{encoded}");
    }
}

#[test]
fn access_tokens_and_other_bearer_tokens_are_found() {
    for (text, kind) in [
        ("ya29.emulator-c2lnbmVk", Kind::AccessToken),
        ("\"YA29.emulator-c2lnbmVk\"", Kind::AccessToken),
        ("authorization: bearer opaque-0123456789abcdef", Kind::Bearer),
        ("Bearer%20opaque-0123456789abcdef", Kind::Bearer),
    ] {
        assert_eq!(kinds(text), [kind], "{text}");
    }
}

#[test]
fn private_keys_are_found_as_pem_pkcs_8_and_jwk() {
    let begin = |kind: &str| format!("-----BEGIN {kind}PRIVATE KEY-----\nMII");
    for text in [
        begin(""),
        begin("RSA "),
        begin("EC "),
        begin("ENCRYPTED "),
        r#""private_key":"-----BEGIN PRIVATE KEY-----\nMII"#.to_owned(),
        "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSk".to_owned(),
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg".to_owned(),
    ] {
        assert_eq!(kinds(&text), [Kind::PrivateKey], "{text}");
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        for text in [
            format!(r#"{{"{member}":"{}"}}"#, random(43)),
            format!(r#"{{\"{member}\": \"{}\"}}"#, random(43)),
            format!(r#"{member}: "{}""#, random(43)),
        ] {
            assert_eq!(kinds(&text), [Kind::PrivateJwk], "{text}");
        }
    }
}

#[test]
fn parameters_that_carry_a_credential_are_found_with_it() {
    for text in [
        "grant_type=x&assertion=abc123def456&a=b",
        "assertion%3Dabc123def456%26",
        r#"{"refresh_token": "1//0abcdef12345"}"#,
        r#"{\"client_secret\":\"GOCSPX-0a1b2c3d\"}"#,
        r#"Answer { access_token: "opaque-12345" }"#,
        "subject_token=opaque-12345",
    ] {
        assert_eq!(kinds(text), [Kind::Parameter], "{text}");
    }
}

#[test]
fn what_is_public_or_an_example_is_no_leak() {
    let modulus = random(342);
    for text in [
        // A public key, however often it was quoted, and a certificate.
        &*format!(r#"{{"kid":"1","n":"{modulus}","e":"AQAB"}}"#),
        &format!(r#"{{\"n\": \"{modulus}\"}}"#),
        &format!(r#"{{\\\"n\\\":\\\"{modulus}\\\"}}"#),
        &format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", random(64)),
        "-----BEGIN PUBLIC KEY-----",
        // Digests, and names of tests.
        &hex(&random(32)),
        &"a_test_whose_name_says_what_must_hold_".repeat(4),
        // What documents and errors say.
        "begins with eyJ or eyJhbGci…",
        "Authorization: Bearer TOKEN, or Bearer $(gcloud auth print-identity-token)",
        "an access token (ya29.…) was sent",
        "subject_token_type=urn:ietf:params:oauth:token-type:jwt",
        "the assertion: must have a subject; id_token: missing",
        r#"{"d": "short", "k": 1}"#,
    ] {
        assert_eq!(leaks(text.as_bytes()), [], "{text}");
    }
}

#[test]
fn a_leak_is_told_with_its_line_and_surroundings_and_without_itself() {
    let text = format!("first\nfrom {} to {} end\n", jwt(), random(86));
    let leaks = leaks(text.as_bytes());
    let told: Vec<String> = leaks.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[0],
        "2: a JWT or a part of one: from eyJhbG…(418 letters) to P6n7D2…(86 letters)"
    );
    for part in [HEADER, PAYLOAD, &random(86)[..20]] {
        assert!(told.iter().all(|told| !told.contains(part)), "{told:?}");
    }
    assert_eq!(leaks.len(), 2);
}

#[test]
fn a_folder_is_searched_whole() {
    let folder = std::env::temp_dir().join(format!("remint-search-{}", std::process::id()));
    let put = |source: &str, name: &str, text: &str| {
        std::fs::create_dir_all(folder.join(source)).unwrap();
        std::fs::write(folder.join(source).join(name), text).unwrap();
    };
    put("page", "one", "nothing\n");
    put("page", "two", &format!("a\nb {}\n", jwt()));
    put("log", "three", &format!("{}\n", jwt()));
    let found = super::folder(&folder).unwrap();
    let files: Vec<_> =
        found.files.iter().map(|(source, name)| format!("{source}/{name}")).collect();
    assert_eq!(files, ["log/three", "page/one", "page/two"]);
    let said = found.to_string();
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("log/three:1: a JWT"), "{said}");
    assert!(lines[1].contains("page/two:2: a JWT"), "{said}");
    assert_eq!(lines.len(), 2, "{said}");
    assert!(super::folder(&folder.join("missing")).is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
