//! Who asks.

/// How it was established who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Established {
    /// The person who runs the command line on the index itself.
    Process,
    /// A client on the loopback address or on the gateway's Unix socket, admitted by `authz = "local"`.
    Local,
    /// Nothing but a network address is known; may see public pages only.
    Address,
}

/// A principal: the one who asks, as every policy decision sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The owner name recorded with jobs, for example `local:psik_api`.
    pub name: String,
    /// How it was established.
    pub established: Established,
}

impl Principal {
    /// The owner of all jobs in psik's local mode, by the name that psik_api's README gives it. The command line, which
    /// works on the same index without a server, is the same owner.
    pub fn local(established: Established) -> Self {
        Self { name: "local:psik_api".into(), established }
    }

    /// A client of whom only the network address is known (psik_api's insecure mode).
    pub fn address(address: &str) -> Self {
        Self { name: format!("addr:{address}"), established: Established::Address }
    }
}
