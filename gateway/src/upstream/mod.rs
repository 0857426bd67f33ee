//! Connections to everything that is not a caller.

mod body;
mod connector;
mod fetch;
mod held;
mod peeked;
mod pool;
mod request_body;

pub(crate) use body::{RegionBody, ResponseBody};
pub(crate) use connector::{ConnectError, Connector, ConnectorError};
pub(crate) use fetch::{FetchError, Fetched, Fetcher};
pub(crate) use peeked::PeekedBody;
pub(crate) use pool::{Pool, SendError};
pub(crate) use request_body::{RequestBody, SpareBody, Upload};
