//! Reservations.

use crate::rpc::codec::{Bits, Text, layout};

layout! {
    /// A reservation.
    Reservation<'a> {
        accounts: Text<'a>;
        burst_buffer: Text<'a>;
        comment: Text<'a>;
        cores: u32;
        end_time: u64;
        features: Text<'a>;
        flags: u64;
        licenses: Text<'a>;
        max_start_delay: u32;
        name: Text<'a>;
        node_count: u32;
        nodes: Text<'a>;
        partition: Text<'a>;
        purge_after: u32;
        watts: u32 => before(V25_11);
        start_time: u64;
        tres: Text<'a>;
        users: Text<'a>;
        groups: Text<'a>;
        qos: Text<'a> => since(V25_11);
        partitions: Text<'a> => since(V25_11);
        node_places: Bits<'a>;
        core_specs: Vec<CoreSpec<'a>>;
    }

    /// Cores of a node.
    CoreSpec<'a> {
        node: Text<'a>;
        cores: Text<'a>;
    }
}
