//! Connections to everything that is not a caller.

mod adapt;
mod body;
mod caller_body;
mod connector;
mod exchange;
mod failure;
mod fetch;
mod held;
mod http1;
mod http2;
mod lent;
mod moment;
mod peeked;
mod pool;
mod request_body;
mod upgrade;

pub(crate) use body::{RegionBody, RegionBodyError, ResponseBody};
pub(crate) use connector::{ConnectError, Connector, ConnectorError, Stream};
pub(crate) use failure::{LostError, SendError};
pub(crate) use fetch::{FETCH_TIME, FetchError, Fetched, Fetcher};
pub(crate) use peeked::PeekedBody;
pub(crate) use pool::{Pool, PoolSettings};
pub(crate) use request_body::{BodyFault, CallerState, RequestBody, SpareBody, Upload};
pub(crate) use upgrade::{Switch, asks_for_tunnel, confirm};
