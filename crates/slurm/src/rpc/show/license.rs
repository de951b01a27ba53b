//! Licences.

use crate::objects::License;
use crate::rpc::records;

use super::{int, wide};

/// A licence as the API shows it.
pub(in crate::rpc) fn license(record: &records::License<'_>) -> License {
    let free = match record.total {
        u32::MAX => u32::MAX,
        total => total.saturating_sub(record.used.saturating_add(record.last_deficit)),
    };
    License {
        license_name: record.name.string(),
        total: int(record.total),
        used: int(record.used),
        free: int(free),
        remote: Some(record.remote != 0),
        reserved: int(record.reserved),
        last_consumed: int(record.last_consumed),
        last_deficit: int(record.last_deficit),
        last_update: wide(record.last_update),
        nodes: record.nodes.string(),
    }
}
