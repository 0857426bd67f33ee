//! Connections to everything that is not a caller.

mod body;
mod caller_body;
mod connector;
mod fetch;
mod pool;
mod request_body;

pub(crate) use body::{RegionBody, ResponseBody};
pub(crate) use connector::{ConnectError, Connector, ConnectorError, Stream};
pub(crate) use fetch::{FetchError, Fetched, Fetcher};
pub(crate) use pool::{Pool, SendError};
pub(crate) use request_body::{BodyFault, RequestBody, Upload};
