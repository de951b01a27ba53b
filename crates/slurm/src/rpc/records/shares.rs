//! Fair shares.

use crate::rpc::codec::{Text, layout};

layout! {
    /// All shares, and the names of the TRES that each has numbers of.
    Shares<'a> {
        tres: Vec<Text<'a>>;
        all: Option<Vec<Share<'a>>>;
        total: u64;
    }

    /// The share of an account, or of a user of it.
    Share<'a> {
        id: u32;
        cluster: Text<'a>;
        name: Text<'a>;
        parent: Text<'a>;
        partition: Text<'a>;
        normalized: f64;
        raw: u32;
        run_seconds: Vec<u64>;
        group_minutes: Vec<u64>;
        effective_usage: f64;
        normalized_usage: f64;
        usage: u64;
        usage_of: Vec<Text<'a>>;
        factor: f64;
        level: f64;
        user: u16;
    }
}
