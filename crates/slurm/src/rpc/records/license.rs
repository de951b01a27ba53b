//! Licences.

use crate::rpc::codec::{Text, layout};

layout! {
    /// A licence.
    License<'a> {
        name: Text<'a>;
        total: u32;
        used: u32;
        reserved: u32;
        remote: u8;
        last_consumed: u32;
        last_deficit: u32;
        last_update: u64;
        mode: u8 => since(V25_11);
        nodes: Text<'a> => since(V25_11);
    }
}
