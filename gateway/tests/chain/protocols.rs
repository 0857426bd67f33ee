//! Which HTTP is spoken with a region.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Folder, Google};

#[tokio::test]
async fn over_tls_it_is_http_2_unless_the_configuration_says_otherwise() {
    for (protocol, version) in [("auto", "HTTP/2.0"), ("http2", "HTTP/2.0"), ("http1", "HTTP/1.1")]
    {
        let google = Google::start().await;
        let regions = google.regions();
        let change = |text: String| {
            text.replace("audience: \"https", &format!("protocol: {protocol}, audience: \"https"))
        };
        let chain = Chain::before(google, &regions, change).await;
        chain.ready().await;
        let seen = chain.get("/a?b=c").await.json();
        assert_eq!((&seen["version"], &seen["path"]), (&version.into(), &"/a".into()));
        assert_eq!(format!("https://{}", seen["host"].as_str().unwrap()), seen["audience"]);
        assert_eq!(seen["headers"].get("transfer-encoding"), None);
    }
}

/// A region over TLS that speaks HTTP/1.1 alone, and its certificate.
async fn older_region(protocols: &[&[u8]]) -> (RawRegion, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let tls = TlsAcceptor::from(Arc::new(config));
    (RawRegion::start_with(Habit::Answer, Some(tls)).await, cert.pem())
}

async fn chain_before(region: &RawRegion, certificate: &str, protocol: &str) -> Chain {
    let (google, folder) = (Google::start().await, Folder::new());
    let pem = [google.emulator.ca_pem(), certificate].concat();
    let file = folder.write("both.pem", &pem);
    let entry = (format!("https://localhost:{}", region.port()), "https://a.example".to_owned());
    let change = |text: String| {
        text.replace("ca_file: ca.pem", &format!("ca_file: {}", file.display())).replace(
            "audience: \"https://a",
            &format!("protocol: {protocol}, audience: \"https://a"),
        )
    };
    let chain = Chain::before(google, &[entry], change).await;
    chain.ready().await;
    chain
}

#[tokio::test]
async fn a_region_over_tls_may_prefer_http_1() {
    for protocols in [&[b"http/1.1".as_slice()][..], &[]] {
        let (region, certificate) = older_region(protocols).await;
        let chain = chain_before(&region, &certificate, "auto").await;
        for _ in 0..5 {
            assert_eq!(chain.get("/").await.text(), "ok");
        }
        let (one, other) = tokio::join!(chain.get("/wait"), chain.get("/wait"));
        assert_eq!((one.text(), other.text()), ("ok".to_owned(), "ok".to_owned()));
        assert_eq!((region.connections(), region.requests()), (2, 7));
    }
}

#[tokio::test]
async fn a_region_that_must_speak_http_2_and_does_not_is_out_of_reach() {
    for protocols in [&[b"http/1.1".as_slice()][..], &[]] {
        let (region, certificate) = older_region(protocols).await;
        let chain = chain_before(&region, &certificate, "http2").await;
        let answer = chain.get("/").await;
        assert_eq!(answer.header("x-remint-reason"), Some("no_region"));
        assert_eq!(region.requests(), 0);
    }
}
