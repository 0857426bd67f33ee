//! Connections to everything that is not a caller.

mod adapt;
mod body;
mod connector;
mod exchange;
mod failure;
mod fetch;
mod http1;
mod http2;
mod lent;
mod moment;
mod pool;
mod request_body;
mod upgrade;

pub(crate) use body::{RegionBody, ResponseBody};
pub(crate) use connector::{ConnectError, Connector, ConnectorError};
pub(crate) use failure::{LostError, SendError};
pub(crate) use fetch::{FetchError, Fetched, Fetcher};
pub(crate) use pool::{Pool, PoolSettings};
pub(crate) use request_body::{RequestBody, Upload};
pub(crate) use upgrade::{Switch, confirm};
