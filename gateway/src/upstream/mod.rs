//! Connections to everything that is not a caller.

mod body;
mod connector;
mod fetch;
mod pool;

pub(crate) use body::{RegionBody, RequestBody, ResponseBody};
pub(crate) use connector::{ConnectError, Connector, ConnectorError};
pub(crate) use fetch::{FetchError, Fetcher};
pub(crate) use pool::{Pool, SendError};
