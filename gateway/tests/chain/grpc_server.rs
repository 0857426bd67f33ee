//! A gRPC server and its client, with texts for messages
//! (`google.protobuf.StringValue`).

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::metadata::MetadataValue;
use tonic::server::{
    ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::transport::server::{Server, TcpIncoming};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::support::{Chain, HOST};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Answer<T> = Boxed<Result<Response<T>, Status>>;
type Texts = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;
type Codec = ProstCodec<String, String>;

/// What is answered to `fail`.
pub(crate) const FAILURE: &str = "as it was asked to";

/// Says texts back.
#[derive(Clone)]
struct Echo;

fn checked(text: String) -> Result<String, Status> {
    match text.as_str() {
        "fail" => Err(Status::failed_precondition(FAILURE)),
        _ => Ok(text),
    }
}

impl UnaryService<String> for Echo {
    type Response = String;
    type Future = Answer<String>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(async { checked(request.into_inner()).map(Response::new) })
    }
}

/// Each word of the text on its own.
impl ServerStreamingService<String> for Echo {
    type Response = String;
    type ResponseStream = Texts;
    type Future = Answer<Texts>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let text = request.into_inner();
        let words: Vec<_> = text.split(' ').map(|word| checked(word.to_owned())).collect();
        Box::pin(async { Ok(Response::new(Box::pin(tokio_stream::iter(words)) as Texts)) })
    }
}

/// All texts as one.
impl ClientStreamingService<String> for Echo {
    type Response = String;
    type Future = Answer<String>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        Box::pin(async {
            let texts: Vec<String> = request.into_inner().collect::<Result<_, _>>().await?;
            checked(texts.join(" ")).map(Response::new)
        })
    }
}

/// Each text as it comes.
impl StreamingService<String> for Echo {
    type Response = String;
    type ResponseStream = Texts;
    type Future = Answer<Texts>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let texts = request.into_inner().map(|text| text.and_then(checked));
        Box::pin(async { Ok(Response::new(Box::pin(texts) as Texts)) })
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Boxed<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(Codec::default());
            Ok(match request.uri().path() {
                "/test.Echo/Unary" => grpc.unary(Echo, request).await,
                "/test.Echo/Words" => grpc.server_streaming(Echo, request).await,
                "/test.Echo/Join" => grpc.client_streaming(Echo, request).await,
                "/test.Echo/Talk" => grpc.streaming(Echo, request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// Starts a server, over HTTP/2 in clear text.
pub(crate) fn start() -> SocketAddr {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = incoming.local_addr().unwrap();
    tokio::spawn(Server::builder().serve_with_incoming(Echo, incoming));
    address
}

/// Calls the server through a gateway.
pub(crate) struct Client {
    grpc: tonic::client::Grpc<Channel>,
    token: String,
}

impl Client {
    pub(crate) async fn connect(chain: &Chain) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", chain.gateway.address()));
        let origin = format!("http://{HOST}").parse().unwrap();
        let channel = endpoint.unwrap().origin(origin).connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        Self { grpc, token: chain.token() }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = MetadataValue::try_from(format!("Bearer {}", self.token)).unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    pub(crate) async fn unary(&mut self, text: &str) -> Result<Response<String>, Status> {
        let (request, path) = (self.request(text.to_owned()), path("/test.Echo/Unary"));
        self.grpc.ready().await.unwrap();
        self.grpc.unary(request, path, Codec::default()).await
    }

    pub(crate) async fn words(&mut self, text: &str) -> Result<Streaming<String>, Status> {
        let (request, path) = (self.request(text.to_owned()), path("/test.Echo/Words"));
        self.grpc.ready().await.unwrap();
        let answer = self.grpc.server_streaming(request, path, Codec::default()).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn join(&mut self, texts: &[&str]) -> Result<String, Status> {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        let (request, path) = (self.request(tokio_stream::iter(texts)), path("/test.Echo/Join"));
        self.grpc.ready().await.unwrap();
        let answer = self.grpc.client_streaming(request, path, Codec::default()).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn talk(
        &mut self,
        texts: impl Stream<Item = String> + Send + 'static,
    ) -> Result<Streaming<String>, Status> {
        let (request, path) = (self.request(texts), path("/test.Echo/Talk"));
        self.grpc.ready().await.unwrap();
        let answer = self.grpc.streaming(request, path, Codec::default()).await;
        answer.map(Response::into_inner)
    }
}

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}
