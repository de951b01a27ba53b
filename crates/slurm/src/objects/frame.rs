//! What all answers have around their objects.

use super::answers::{
    AccountsAddCondRespStr, AccountsRemovedResp, AccountsResp, AssocsRemovedResp, AssocsResp, ClustersRemovedResp,
    ClustersResp, ConfResp, DbdConfResp, DbdConfigResp, DbdJobsResp, DbdPingResp, DbdQosRemovedResp, DbdQosResp,
    DbdStatsResp, DiagResp, ErrorEntry, HostlistReqResp, HostnamesReqResp, InstancesResp, JobAllocResp, JobInfoResp,
    JobModifyResp, JobPostResponse, JobRequeueResp, JobSubmitResponse, JobsRequeueResp, KillJobResp, KillJobsResp,
    LicensesResp, Meta, NodesResp, PartitionResp, PingArrayResp, Plain, ReservationModResp, ReservationResp,
    ResourceLayoutResp, SharesResp, TresResp, UsersAddCondRespStr, UsersResp, WarningEntry, WcKeyRemovedResp,
    WcKeyResp,
};
use crate::table::Object;

/// An answer: it says who asked whom for what, and what went wrong.
pub trait Framed: Object {
    /// Puts the frame around it.
    fn frame(&mut self, meta: Meta, errors: Vec<ErrorEntry>, warnings: Vec<WarningEntry>);
}

macro_rules! framed {
    ($($answer:ident)*) => {$(
        impl Framed for $answer {
            fn frame(&mut self, meta: Meta, errors: Vec<ErrorEntry>, warnings: Vec<WarningEntry>) {
                self.meta = Some(meta);
                self.errors = Some(errors);
                self.warnings = Some(warnings);
            }
        }
    )*};
}

framed! {
    AccountsAddCondRespStr AccountsRemovedResp AccountsResp AssocsRemovedResp AssocsResp ClustersRemovedResp ClustersResp
    ConfResp DbdConfResp DbdConfigResp DbdJobsResp DbdPingResp DbdQosRemovedResp DbdQosResp DbdStatsResp DiagResp
    HostlistReqResp HostnamesReqResp InstancesResp JobAllocResp JobInfoResp JobModifyResp JobPostResponse JobRequeueResp
    JobSubmitResponse JobsRequeueResp KillJobResp KillJobsResp LicensesResp NodesResp PartitionResp PingArrayResp Plain
    ReservationModResp ReservationResp ResourceLayoutResp SharesResp TresResp UsersAddCondRespStr UsersResp
    WcKeyRemovedResp WcKeyResp
}
