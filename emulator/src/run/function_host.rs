//! The host that all functions of a project in a region share: the path says
//! which one is called.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Request, StatusCode, Version};
use hyper::body::Incoming;

use super::page;
use crate::answers::Answer;
use crate::forward::{Protocol, forward};
use crate::listener::Handler;
use crate::network::Place;
use crate::origin::Origin;

/// The functions at one host, by name.
pub(crate) struct FunctionHost(HashMap<String, Arc<dyn Place>>);

impl FunctionHost {
    pub(crate) fn new(functions: impl IntoIterator<Item = (String, Arc<dyn Place>)>) -> Self {
        Self(functions.into_iter().collect())
    }
}

impl Handler for FunctionHost {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        let Some(function) = self.0.get(name) else {
            return page::not_found();
        };
        let origin = request.extensions().get::<Origin>().copied().unwrap_or(Origin::Internet);
        let protocol = match request.version() {
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let connected = function.connect(origin).await;
        let (parts, body) = request.into_parts();
        let answer = match connected {
            Ok(stream) => forward(Box::new(stream), protocol, parts, body).await.ok(),
            Err(_) => None,
        };
        answer.unwrap_or_else(|| page::failure(StatusCode::SERVICE_UNAVAILABLE))
    }
}
