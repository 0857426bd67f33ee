//! Methods of gRPC, one request and one answer each.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use prost::Message;
use tonic::codegen::Service;
use tonic::server::Grpc;
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

use crate::answers::{Answer, passed};

/// The longest message that is taken: Pub/Sub takes 10 MB in one request
/// (Pub/Sub, "Quotas and limits").
const MAX_MESSAGE: usize = 10_000_000;

/// Whether a request is one of gRPC.
pub(crate) fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Answers a call with what `method` makes of its message.
pub(crate) async fn unary<M, R, F>(
    request: Request<Incoming>,
    method: impl FnOnce(M) -> F + Send + 'static,
) -> Answer
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
    F: Future<Output = Result<R, Status>> + Send + 'static,
{
    let grpc = Grpc::new(ProstCodec::<R, M>::default());
    let mut grpc = grpc.max_decoding_message_size(MAX_MESSAGE);
    grpc.unary(Once(Some(method)), request).await.map(passed)
}

/// Says that there is no such method here.
pub(crate) fn unimplemented(path: &str) -> Answer {
    Status::unimplemented(format!("{path} is not part of this emulator"))
        .into_http()
        .map(passed::<tonic::body::Body>)
}

/// A method as the library wants it; it is called once.
struct Once<T>(Option<T>);

impl<T, M, R, F> Service<tonic::Request<M>> for Once<T>
where
    T: FnOnce(M) -> F,
    F: Future<Output = Result<R, Status>> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let answer = self.0.take().map(|method| method(request.into_inner()));
        Box::pin(async move {
            match answer {
                Some(answer) => answer.await.map(Response::new),
                None => Err(Status::internal("called twice")),
            }
        })
    }
}
