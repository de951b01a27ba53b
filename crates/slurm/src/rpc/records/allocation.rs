//! What a job was given.

use crate::rpc::codec::{Bits, Malformed, NO_VAL, Reader, Text, Wire, Writer, layout};

/// What a job was given: on how many nodes, and what there. "Not set" nodes say that there is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rpc) struct Allocation<'a>(pub(in crate::rpc) Option<Box<Given<'a>>>);

/// On how many nodes, and what there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rpc) struct Given<'a> {
    pub(in crate::rpc) hosts: u32,
    pub(in crate::rpc) there: Resources<'a>,
}

layout! {
    /// Resources on some nodes. `sockets`, `cores` and `alike` describe runs of nodes that are alike; `cpu_values` likewise.
    Resources<'a> {
        cpus: u32;
        next_step_node: u32;
        selection: u32;
        nodes: Text<'a>;
        whole_nodes: u8;
        threads_per_core: u16;
        select_type: u16;
        cpu_alike: Vec<u32>;
        cpu_values: Vec<u16>;
        cpus_of: Vec<u16>;
        cpus_used_of: Vec<u16>;
        memory_of: Vec<u64>;
        memory_used_of: Vec<u64>;
        sockets: Vec<u16>;
        cores: Vec<u16>;
        alike: Vec<u32>;
        core_places: Bits<'a>;
        core_places_used: Bits<'a>;
        node_places: Bits<'a> => before(V26_05);
        node_ranks: Vec<u32> => since(V26_05);
    }
}

impl<'a> Wire<'a> for Allocation<'a> {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let hosts = from.u32()?;
        if hosts == NO_VAL {
            return Ok(Self(None));
        }
        Ok(Self(Some(Box::new(Given { hosts, there: Resources::read(from)? }))))
    }

    fn write(&self, to: &mut Writer) {
        match &self.0 {
            None => to.u32(NO_VAL),
            Some(given) => {
                to.u32(given.hosts);
                given.there.write(to);
            }
        }
    }
}
