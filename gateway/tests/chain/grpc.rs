//! gRPC, with a client and a server that know of no gateway.

use std::time::Duration;

use remint_emulator::Backend;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::client::PATIENCE;
use crate::grpc_server::{Client, FAILURE, start};
use crate::support::{Chain, Google};

/// A gateway before Cloud Run's front end, which speaks HTTP/2 over TLS.
async fn behind_the_front_end() -> Chain {
    let backend = start();
    let google = Google::with(|config| config.services[0].backend = Backend::h2c(backend)).await;
    let chain = Chain::unready(google).await;
    chain.ready().await;
    chain
}

/// A gateway before the server itself, in clear text.
async fn without_a_front_end() -> Chain {
    let regions = [(format!("http://{}", start()), "https://grpc.example".to_owned())];
    let change = |text: String| text.replace("{ name: r0,", "{ name: r0, protocol: http2,");
    let chain = Chain::before(Google::start().await, &regions, change).await;
    chain.ready().await;
    chain
}

async fn clients() -> [(Chain, Client); 2] {
    let chains = [behind_the_front_end().await, without_a_front_end().await];
    let [one, other] = chains;
    let clients = [Client::connect(&one).await, Client::connect(&other).await];
    let [first, second] = clients;
    [(one, first), (other, second)]
}

#[tokio::test]
async fn a_call_is_answered() {
    for (_chain, mut client) in clients().await {
        assert_eq!(client.unary("hello").await.unwrap().into_inner(), "hello");
        let long = "long ".repeat(100_000);
        assert_eq!(client.unary(&long).await.unwrap().into_inner(), long);
    }
}

#[tokio::test]
async fn a_status_without_a_message_reaches_the_caller() {
    for (chain, mut client) in clients().await {
        let status = client.unary("fail").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, FAILURE));
        // To the gateway it is an answer like any other.
        assert_eq!(chain.figure("remint_requests_total", "outcome=\"2xx\"").await, 1);
    }
}

#[tokio::test]
async fn messages_stream_to_the_caller_and_a_status_in_trailers_ends_them() {
    for (_chain, mut client) in clients().await {
        let words: Vec<_> = client.words("one two").await.unwrap().collect().await;
        let words: Result<Vec<_>, _> = words.into_iter().collect();
        assert_eq!(words.unwrap(), ["one", "two"]);
        let mut words = client.words("one fail two").await.unwrap();
        assert_eq!(words.next().await.unwrap().unwrap(), "one");
        let status = words.next().await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, FAILURE));
        assert!(words.next().await.is_none());
    }
}

#[tokio::test]
async fn messages_stream_from_the_caller() {
    for (_chain, mut client) in clients().await {
        assert_eq!(client.join(&["a", "b", "c"]).await.unwrap(), "a b c");
        let status = client.join(&["fail"]).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
    }
}

#[tokio::test]
async fn both_sides_talk_at_once() {
    for (_chain, mut client) in clients().await {
        let (say, texts) = mpsc::channel(1);
        say.send("first".to_owned()).await.unwrap();
        let mut answers = client.talk(ReceiverStream::new(texts)).await.unwrap();
        let patience: Duration = PATIENCE;
        for text in ["first", "second", "third"] {
            if text != "first" {
                say.send(text.to_owned()).await.unwrap();
            }
            let heard = timeout(patience, answers.next()).await.unwrap();
            assert_eq!(heard.unwrap().unwrap(), text);
        }
        drop(say);
        assert!(timeout(patience, answers.next()).await.unwrap().is_none());
    }
}
