//! Who is at the other end of a connection.

use std::net::{IpAddr, Ipv4Addr};

/// Every request that a listener takes has it among its extensions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// Its address; other parts of the emulator have none.
    pub(crate) ip: Option<IpAddr>,
    /// Whether it speaks TLS.
    pub(crate) is_tls: bool,
}

impl Peer {
    /// Its address, which is this machine's if it is part of the emulator.
    pub(crate) fn address(self) -> IpAddr {
        self.ip.unwrap_or(Ipv4Addr::LOCALHOST.into())
    }

    /// Whether it uses `https`. What a part of the emulator has to say to
    /// another does not leave the process: its URLs say `https`, and it speaks
    /// in clear text.
    pub(crate) fn is_https(self) -> bool {
        self.is_tls || self.ip.is_none()
    }
}
