//! TLS for callers, and new certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_gateway::config::{Config, Environment};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::get;
use crate::support::{Chain, Folder, Google, HOST, configuration, eventually};
use crate::wire::Wire;

const SETTINGS: &str = "tls: { certificate: tls.pem, key: tls.key }\nreload_interval: 20ms\n";

/// A certificate that is its own root, and its key.
struct Pair {
    certificate: rcgen::Certificate,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        Self { key: made.signing_key.serialize_pem(), certificate: made.cert }
    }

    fn write(&self, folder: &Folder) {
        folder.write("tls.key", &self.key);
        folder.write("tls.pem", &self.certificate.pem());
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

async fn chain(pair: &Pair) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let chain = Chain::prepared(google, &regions, |text, folder| {
        pair.write(folder);
        text + SETTINGS
    });
    let chain = chain.await;
    chain.ready().await;
    chain
}

async fn connect(
    to: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from(HOST).unwrap();
    let tcp = TcpStream::connect(to).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn callers_speak_either_protocol_over_either_version_of_tls() {
    let pair = Pair::new();
    let chain = chain(&pair).await;
    let to = chain.gateway.address();
    for version in BOTH {
        let tls = connect(to, &pair.der(), "http/1.1", &[version]).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        tokio::spawn(connection);
        let request = chain.request("/").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
        let tls = connect(to, &pair.der(), "h2", &[version]).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(tls);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("https://{HOST}/"));
        let request = request.header("authorization", format!("Bearer {}", chain.token()));
        let request = request.body(Full::<Bytes>::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let chain = chain(&old).await;
    let to = chain.gateway.address();
    let tls = connect(to, &old.der(), "http/1.1", &BOTH).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    new.write(&chain.folder);
    eventually("the new one is shown", async || {
        connect(to, &new.der(), "http/1.1", &BOTH).await.is_ok()
    })
    .await;
    assert!(connect(to, &old.der(), "http/1.1", &BOTH).await.is_err());
    for _ in 0..2 {
        let request = chain.request("/").body(Full::<Bytes>::default()).unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200, "the old connection lives on");
        answer.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn a_key_without_its_certificate_changes_nothing() {
    let (old, new) = (Pair::new(), Pair::new());
    let chain = chain(&old).await;
    chain.folder.write("tls.key", &new.key);
    eventually("the change is noticed", async || {
        chain.figure("remint_config_reloads_total", "rejected").await == 1
    })
    .await;
    let to = chain.gateway.address();
    assert!(connect(to, &old.der(), "http/1.1", &BOTH).await.is_ok());
    let status = get(chain.gateway.admin_address(), "/status").await.text();
    assert!(status.contains("is not that of the certificate in"), "{status}");
    assert!(!status.contains("PRIVATE"), "{status}");
}

#[tokio::test]
async fn files_that_are_no_certificate_and_key_are_mistakes() {
    let google = Google::start().await;
    let (folder, pair, other) = (Folder::new(), Pair::new(), Pair::new());
    folder.write("ca.pem", google.emulator.ca_pem());
    let text = configuration(&google.emulator, &google.regions()) + SETTINGS;
    let problem = || {
        let read = Config::read(&text, folder.path(), &Environment::default());
        read.err().map(|problems| problems[0].to_string()).unwrap_or_default()
    };
    assert!(problem().contains("tls.pem can't be read"), "{}", problem());
    pair.write(&folder);
    assert_eq!(problem(), "");
    folder.write("tls.key", &other.key);
    assert!(problem().contains("is not that of the certificate"), "{}", problem());
    folder.write("tls.key", "nothing");
    assert!(problem().contains("tls.key can't be read"), "{}", problem());
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_given_up() {
    let pair = Pair::new();
    let google = Google::start().await;
    let regions = google.regions();
    let chain = Chain::prepared(google, &regions, |text, folder| {
        pair.write(folder);
        text + SETTINGS + "limits: { header_timeout: 300ms }\n"
    });
    let chain = chain.await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say("\x16\x03\x01").await;
    assert!(caller.is_closed().await);
}
