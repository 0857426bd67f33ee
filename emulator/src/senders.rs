//! What all senders share: a token of the account that they push as, if their
//! service agent may act for it; one request; a line in the timeline.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use remint_idtoken::Reason;
use tokio::time::timeout;

use crate::attempt::Attempt;
use crate::config::Agent;
use crate::endpoint::Endpoint;
use crate::google::Accounts;
use crate::issuer::{Issuer, TokenRequest};
use crate::network::Network;
use crate::outgoing::{Connections, SendError};
use crate::redact::shown;
use crate::timeline::{Call, Part, Timeline, Verdict};

/// What a sender needs of the rest of the emulator.
pub(crate) struct Senders {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) network: Arc<Network>,
    pub(crate) timeline: Arc<Timeline>,
}

/// Whose token a sender sends, and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) account: String,
    pub(crate) audience: String,
}

/// One request of a sender.
pub(crate) struct Shot<'a> {
    pub(crate) agent: Agent,
    /// What sends it, by its resource name, for the timeline.
    pub(crate) from: &'a str,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) connections: &'a Connections,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) credential: Option<&'a Credential>,
    pub(crate) deadline: Duration,
}

impl Senders {
    /// Sends it and waits for the answer. The headers of the answer are there
    /// if there was one, for `Retry-After`.
    pub(crate) async fn send(&self, shot: Shot<'_>) -> (Attempt, HeaderMap) {
        let (path, method) = (shot.endpoint.path_and_query.clone(), shot.method.clone());
        let (from, credential, agent) = (shot.from, shot.credential, shot.agent);
        let endpoint = shot.endpoint;
        let (attempt, headers) = self.attempt(shot).await;
        let path = path.split('?').next().unwrap_or_default();
        self.timeline.add(Call {
            at: self.issuer.now(),
            part: Part::Sender(agent),
            service: shown(from),
            region: String::new(),
            method: method.to_string(),
            path: shown(path),
            host: Some(shown(endpoint.host_and_port().0)),
            audience: credential.map(|it| shown(&it.audience)),
            caller: credential.map(|it| shown(&it.account)),
            origin: None,
            verdict: Verdict::of(&attempt),
            note: match &attempt {
                Attempt::Failed(why) | Attempt::NotSent(why) => Some(shown(why)),
                Attempt::Answered(_) => None,
            },
            request_id: None,
        });
        (attempt, headers)
    }

    async fn attempt(&self, shot: Shot<'_>) -> (Attempt, HeaderMap) {
        let none = HeaderMap::new();
        let mut headers = shot.headers;
        if let Some(credential) = shot.credential {
            if let Err(error) = self.issuer.ready().await {
                return (Attempt::NotSent(error.to_string()), none);
            }
            match self.authorization(shot.agent, credential) {
                Ok(value) => drop(headers.insert(AUTHORIZATION, value)),
                Err(why) => return (Attempt::NotSent(why), none),
            }
        }
        let host = HeaderValue::from_str(&shot.endpoint.authority);
        let (Ok(host), Ok(target)) = (host, shot.endpoint.path_and_query.parse()) else {
            let why = "the endpoint's host can't stand in a header".to_owned();
            return (Attempt::Failed(why), none);
        };
        headers.insert(HOST, host);
        let mut request = Request::new(Full::new(shot.body));
        *request.method_mut() = shot.method;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        match timeout(shot.deadline, exchange(shot.connections, request)).await {
            Ok(Ok((status, headers))) => (Attempt::Answered(status), headers),
            Ok(Err(error)) => (Attempt::Failed(error.to_string()), none),
            Err(_) => {
                let within = shot.deadline.as_secs_f64();
                (Attempt::Failed(format!("no answer within the deadline of {within} s")), none)
            }
        }
    }

    /// The value of the header, with a fresh token.
    fn authorization(&self, agent: Agent, credential: &Credential) -> Result<HeaderValue, String> {
        let Credential { account, audience } = credential;
        if !self.accounts.may_act_for(agent, account) {
            let agent = agent.email(self.accounts.project_number());
            let code = Reason::SenderMayNotMint.code();
            return Err(format!(
                "{code}: {agent} may not mint tokens for {account}: it needs roles/iam.serviceAccountTokenCreator on it"
            ));
        }
        let token = self.issuer.mint(&TokenRequest::new(account, audience));
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())
    }
}

/// The answer's body plays no part, but the connection can be used again only
/// when it has been read.
async fn exchange(
    connections: &Connections,
    request: Request<Full<Bytes>>,
) -> Result<(u16, HeaderMap), SendError> {
    let (response, sender) = connections.send(request).await?;
    let (head, body) = response.into_parts();
    if drained(body).await {
        connections.give_back(sender);
    }
    Ok((head.status.as_u16(), head.headers))
}

async fn drained(mut body: Incoming) -> bool {
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}
