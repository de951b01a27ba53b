//! What a running job was given, as releases since 25.11 tell it.

use crate::rpc::codec::{FewBits, Flagged, Text, layout};

layout! {
    /// What it was given of a node.
    Layout<'a> {
        node: Text<'a>;
        memory: u64;
        sockets: u16;
        cores: u16;
        channel: u32;
        core_places: Text<'a>;
        gres: Option<Vec<GresLayout<'a>>>;
    }

    /// What it was given of a generic resource there, and which devices.
    GresLayout<'a> {
        name: Text<'a>;
        kind: Text<'a>;
        count: u64;
        places: Flagged<FewBits<'a>>;
    }
}
