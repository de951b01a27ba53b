//! Fair shares.

use crate::objects::{AssocSharesObjWrap, SharesFloat128Tres, SharesRespMsg, SharesUint64Tres};
use crate::rpc::codec::{num32, num64, real};
use crate::rpc::{records, words};
use crate::table::Number;

use super::{int, wide};

/// Shares as the API shows them.
pub(in crate::rpc) fn shares(record: &records::Shares<'_>) -> SharesRespMsg {
    let names: Vec<String> = record.tres.iter().map(|name| name.string().unwrap_or_default()).collect();
    SharesRespMsg {
        shares: Some(record.all.iter().flatten().map(|one| share(one, &names)).collect()),
        total_shares: wide(record.total),
    }
}

fn share(record: &records::Share<'_>, names: &[String]) -> AssocSharesObjWrap {
    let counted = |numbers: &[u64]| {
        let one = |(name, number): (&String, &u64)| SharesUint64Tres {
            name: Some(name.clone()),
            value: Some(num64(*number)),
        };
        Some(names.iter().zip(numbers).map(one).collect())
    };
    let usage = names.iter().zip(&record.usage_of).map(|(name, usage)| SharesFloat128Tres {
        name: Some(name.clone()),
        value: Some(Number(usage.get().and_then(|usage| usage.parse().ok()).unwrap_or(0.0))),
    });
    AssocSharesObjWrap {
        id: int(record.id),
        cluster: record.cluster.string(),
        name: record.name.string(),
        parent: record.parent.string(),
        partition: record.partition.string(),
        shares_normalized: Some(real(record.normalized)),
        shares: Some(num32(record.raw)),
        tres_run_seconds: counted(&record.run_seconds),
        tres_group_minutes: counted(&record.group_minutes),
        tres_usage: Some(usage.collect()),
        effective_usage: Some(real(record.effective_usage)),
        effective_usage_old: plain(record.effective_usage),
        usage_normalized: Some(real(record.normalized_usage)),
        usage: wide(record.usage),
        fairshare_factor: Some(real(record.factor)),
        fairshare_factor_old: plain(record.factor),
        fairshare_level: Some(real(record.level)),
        fairshare_level_old: plain(record.level),
        kind: Some(words::share(record.user)),
    }
}

/// A number where the API has neither "unset" nor "infinite"; JSON has no infinite numbers.
fn plain(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
