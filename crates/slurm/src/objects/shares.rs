//! Fair shares.

use super::words;
use crate::table::{Flags, Num, Number, object};

object! {
    /// `shares_resp_msg` of the API.
    SharesRespMsg = "shares_resp_msg" {
        shares: Vec<AssocSharesObjWrap> => named("assoc_shares_obj_list");
        total_shares: i64;
    }

    /// `assoc_shares_obj_wrap` of the API.
    AssocSharesObjWrap = "assoc_shares_obj_wrap" {
        id: i32;
        cluster: String;
        name: String;
        parent: String;
        partition: String;
        shares_normalized: Num<f64>;
        shares: Num<u32>;
        tres_run_seconds: Vec<SharesUint64Tres> = "tres/run_seconds" => named("shares_uint64_tres_list");
        tres_group_minutes: Vec<SharesUint64Tres> = "tres/group_minutes" => named("shares_uint64_tres_list");
        tres_usage: Vec<SharesFloat128Tres> = "tres/usage" => named("shares_float128_tres_list");
        effective_usage: Num<f64> => since(42);
        effective_usage_old: f64 = "effective_usage" => until(41);
        usage_normalized: Num<f64>;
        usage: i64;
        fairshare_factor: Num<f64> = "fairshare/factor" => since(42);
        fairshare_factor_old: f64 = "fairshare/factor" => until(41);
        fairshare_level: Num<f64> = "fairshare/level" => since(42);
        fairshare_level_old: f64 = "fairshare/level" => until(41);
        kind: Flags<words::AssocSharesObjWrapType> = "type";
    }

    /// `shares_uint64_tres` of the API.
    SharesUint64Tres = "shares_uint64_tres" {
        name: String;
        value: Num<u64>;
    }

    /// `shares_float128_tres` of the API.
    SharesFloat128Tres = "shares_float128_tres" {
        name: String;
        value: Number;
    }
}
