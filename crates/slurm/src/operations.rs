//! Everything that can be asked: methods and paths, since and until which version, with what parameters and bodies.

use serde_json::Value;

use crate::objects::{
    AccountsAddCondResp, AccountsAddCondRespStr, AccountsRemovedResp, AccountsResp, AssocsRemovedResp, AssocsResp,
    ClustersRemovedResp, ClustersResp, ConfQuery, ConfResp, CreateNodeReq, DbdAccountQuery, DbdAccountsQuery,
    DbdConfResp, DbdConfigResp, DbdDeleteAssociationQuery, DbdDeleteClusterQuery, DbdInstanceQuery, DbdJobsQuery,
    DbdJobsResp, DbdPingResp, DbdQosQuery, DbdQosRemovedResp, DbdQosResp, DbdSingleQosQuery, DbdStatsResp,
    DbdUserQuery, DbdUsersQuery, DbdWckeysQuery, DeleteJobQuery, DiagResp, HostlistReqResp, HostnamesReqResp,
    InstancesResp, JobAllocRequest, JobAllocResp, JobDesc, JobInfoResp, JobModify, JobModifyReq, JobModifyResp,
    JobPostResponse, JobQuery, JobRequeueQuery, JobRequeueResp, JobSubmitRequest, JobSubmitResponse, JobsRequeueQuery,
    JobsRequeueResp, JobsStateQuery, KillJobResp, KillJobs, KillJobsResp, LicensesResp, NodeUpdate, NodesResp,
    PartitionResp, PartitionsModReq, PingArrayResp, Plain, ReservationDesc, ReservationModReq, ReservationModResp,
    ReservationResp, ResourceLayoutResp, SharesQuery, SharesResp, TresResp, UsersAddCondResp, UsersAddCondRespStr,
    UsersResp, WcKeyRemovedResp, WcKeyResp,
};
use crate::openapi::parameters;
use crate::table::{Object, Reader, Schemas, Writer};
use crate::version::Version;

/// A method of HTTP that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or changes.
    Post,
    /// Removes, cancels or signals.
    Delete,
}

impl Method {
    /// Its name, in capitals as in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// One operation in some versions of the API.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// What is asked for.
    pub call: Call,
    /// Its method.
    pub method: Method,
    /// Its path, with `{version}` and the name of one more part in braces. Slashes at the end, and double ones, mean nothing.
    pub path: &'static str,
    pub(crate) since: u8,
    pub(crate) until: u8,
    /// The operation's id without its plugin and version: `get_jobs`.
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) parameters: fn(Version) -> Vec<Value>,
    pub(crate) body: Option<fn(&mut Schemas) -> Value>,
    pub(crate) answer: fn(&mut Schemas) -> Value,
    /// The names of its parameters in a version.
    pub(crate) names: fn(Version) -> Vec<&'static str>,
    pub(crate) copy_body: Option<Copy>,
    pub(crate) copy_answer: Copy,
}

/// Reads an object in one version and writes it in another.
pub(crate) type Copy = fn(Value, &mut Reader<'_>, &mut Writer);

fn copy<T: Object>(value: Value, from: &mut Reader<'_>, to: &mut Writer) {
    let object: T = from.object(value);
    to.object(&object);
}

fn names<T: Object>(version: Version) -> Vec<&'static str> {
    T::FIELDS.iter().filter(|field| field.shown.has(version)).map(|field| field.path).collect()
}

impl Operation {
    /// Whether a version has it.
    pub fn is_in(&self, version: Version) -> bool {
        (self.since..=self.until).contains(&version.number())
    }

    /// Whether requests have a body.
    pub fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Which of Slurm's plugins it belongs to.
    pub fn plugin(&self) -> Plugin {
        match self.path.split('/').nth(1) {
            Some("slurmdb") => Plugin::Slurmdbd,
            Some("util") => Plugin::Util,
            _ => Plugin::Slurmctld,
        }
    }
}

/// The parts of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `/slurm`: what the controller knows.
    Slurmctld,
    /// `/slurmdb`: what the accounting database knows.
    Slurmdbd,
    /// `/util`: what needs neither.
    Util,
}

impl Plugin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Slurmctld, Self::Slurmdbd, Self::Util];

    /// The first part of its paths, and the tag of its operations.
    pub fn root(self) -> &'static str {
        match self {
            Self::Slurmctld => "slurm",
            Self::Slurmdbd => "slurmdb",
            Self::Util => "util",
        }
    }

    /// What slurmrestd calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slurmctld => "slurmctld",
            Self::Slurmdbd => "slurmdbd",
            Self::Util => "util",
        }
    }
}

/// The operation that a request means.
#[derive(Debug, Clone)]
pub struct Found {
    /// The operation.
    pub operation: &'static Operation,
    /// The version of the API.
    pub version: Version,
    /// The part of the path that the operation leaves open: a job's id, a node's name. Not decoded.
    pub name: String,
}

/// Finds the operation of a method and a path.
pub fn find(method: &str, path: &str) -> Option<Found> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let version = Version::parse(parts.get(1)?)?;
    OPERATIONS.iter().filter(|operation| operation.method.as_str() == method && operation.is_in(version)).find_map(
        |operation| {
            let mut name = String::new();
            let mut wanted = operation.path.split('/').filter(|part| !part.is_empty());
            let fits = parts.iter().all(|part| match wanted.next() {
                Some("{version}") => true,
                Some(open) if open.starts_with('{') => {
                    (*part).clone_into(&mut name);
                    true
                }
                other => other == Some(part),
            });
            (fits && wanted.next().is_none()).then_some(Found { operation, version, name })
        },
    )
}

macro_rules! operations {
    ($($call:ident : $method:ident $path:literal $since:literal ..= $until:literal $id:literal $summary:literal
        $(query $query:ident)? $(body $body:ident)? => $answer:ident;)*) => {
        /// All operations. Where one answers differently in other versions, it is there twice.
        pub const OPERATIONS: &[Operation] = &[$(
            Operation {
                call: Call::$call,
                method: Method::$method,
                path: $path,
                since: $since,
                until: $until,
                id: $id,
                summary: $summary,
                parameters: operations!(@query $($query)?),
                body: operations!(@body $($body)?),
                answer: |all| all.top::<$answer>(),
                names: operations!(@names $($query)?),
                copy_body: operations!(@copy $($body)?),
                copy_answer: copy::<$answer>,
            },
        )*];
    };
    (@query) => { |_| Vec::new() };
    (@query $query:ident) => { parameters::<$query> };
    (@names) => { |_| Vec::new() };
    (@names $query:ident) => { names::<$query> };
    (@copy) => { None };
    (@copy $body:ident) => { Some(copy::<$body>) };
    (@body) => { None };
    (@body $body:ident) => { Some(|all| all.top::<$body>()) };
}

operations! {
GetConf: Get "/slurm/{version}/conf" 45..=45 "get_conf" "Dump slurm configuration" query ConfQuery => ConfResp;
GetDiag: Get "/slurm/{version}/diag/" 40..=45 "get_diag" "get diagnostics" => DiagResp;
PostJobAllocate: Post "/slurm/{version}/job/allocate" 41..=45 "post_job_allocate" "submit new job allocation without any steps that must be signaled to stop" body JobAllocRequest => JobAllocResp;
PostJobSubmit: Post "/slurm/{version}/job/submit" 40..=45 "post_job_submit" "submit new job" body JobSubmitRequest => JobSubmitResponse;
DeleteJob: Delete "/slurm/{version}/job/{job_id}" 42..=45 "delete_job" "cancel or signal job" query DeleteJobQuery => KillJobResp;
DeleteJob: Delete "/slurm/{version}/job/{job_id}" 40..=41 "delete_job" "cancel or signal job" query DeleteJobQuery => Plain;
GetJob: Get "/slurm/{version}/job/{job_id}" 40..=45 "get_job" "get job info" query JobQuery => JobInfoResp;
PostJob: Post "/slurm/{version}/job/{job_id}" 40..=45 "post_job" "update job" body JobDesc => JobPostResponse;
GetJobRequeue: Get "/slurm/{version}/job/{job_id}/requeue" 45..=45 "get_job_requeue" "request job requeue" query JobRequeueQuery => JobRequeueResp;
DeleteJobs: Delete "/slurm/{version}/jobs/" 40..=45 "delete_jobs" "send signal to list of jobs" body KillJobs => KillJobsResp;
GetJobs: Get "/slurm/{version}/jobs/" 40..=45 "get_jobs" "get list of jobs" query JobQuery => JobInfoResp;
PostJobsRequeue: Post "/slurm/{version}/jobs/requeue" 45..=45 "post_jobs_requeue" "batch requeue job(s)" body JobsRequeueQuery => JobsRequeueResp;
GetJobsState: Get "/slurm/{version}/jobs/state/" 40..=45 "get_jobs_state" "get list of job states" query JobsStateQuery => JobInfoResp;
GetLicenses: Get "/slurm/{version}/licenses/" 40..=45 "get_licenses" "get all Slurm tracked license info" => LicensesResp;
PostNewNode: Post "/slurm/{version}/new/node/" 44..=45 "post_new_node" "create node" body CreateNodeReq => Plain;
DeleteNode: Delete "/slurm/{version}/node/{node_name}" 40..=45 "delete_node" "delete node" => Plain;
GetNode: Get "/slurm/{version}/node/{node_name}" 40..=45 "get_node" "get node info" query JobQuery => NodesResp;
PostNode: Post "/slurm/{version}/node/{node_name}" 40..=45 "post_node" "update node properties" body NodeUpdate => Plain;
GetNodes: Get "/slurm/{version}/nodes/" 40..=45 "get_nodes" "get node(s) info" query JobQuery => NodesResp;
PostNodes: Post "/slurm/{version}/nodes/" 40..=45 "post_nodes" "batch update node(s)" body NodeUpdate => Plain;
DeletePartition: Delete "/slurm/{version}/partition/{partition_name}" 45..=45 "delete_partition" "delete partition" => Plain;
GetPartition: Get "/slurm/{version}/partition/{partition_name}" 40..=45 "get_partition" "get partition info" query JobQuery => PartitionResp;
GetPartitions: Get "/slurm/{version}/partitions/" 40..=45 "get_partitions" "get all partition info" query JobQuery => PartitionResp;
PostPartitions: Post "/slurm/{version}/partitions/" 45..=45 "post_partitions" "create or update partitions" body PartitionsModReq => Plain;
GetPing: Get "/slurm/{version}/ping/" 40..=45 "get_ping" "ping test" => PingArrayResp;
GetReconfigure: Get "/slurm/{version}/reconfigure/" 40..=45 "get_reconfigure" "request slurmctld reconfigure" => Plain;
PostReservation: Post "/slurm/{version}/reservation" 43..=45 "post_reservation" "create or update a reservation" body ReservationDesc => ReservationModResp;
DeleteReservation: Delete "/slurm/{version}/reservation/{reservation_name}" 41..=45 "delete_reservation" "delete a reservation" => Plain;
GetReservation: Get "/slurm/{version}/reservation/{reservation_name}" 40..=45 "get_reservation" "get reservation info" query ConfQuery => ReservationResp;
GetReservations: Get "/slurm/{version}/reservations/" 40..=45 "get_reservations" "get all reservation info" query ConfQuery => ReservationResp;
PostReservations: Post "/slurm/{version}/reservations/" 43..=45 "post_reservations" "create or update reservations" body ReservationModReq => ReservationModResp;
GetResources: Get "/slurm/{version}/resources/{job_id}" 44..=45 "get_resources" "get resource layout info" => ResourceLayoutResp;
GetShares: Get "/slurm/{version}/shares" 40..=45 "get_shares" "get fairshare info" query SharesQuery => SharesResp;
DbdDeleteAccount: Delete "/slurmdb/{version}/account/{account_name}" 40..=45 "delete_account" "Delete account" => AccountsRemovedResp;
DbdGetAccount: Get "/slurmdb/{version}/account/{account_name}" 40..=45 "get_account" "Get account info" query DbdAccountQuery => AccountsResp;
DbdGetAccounts: Get "/slurmdb/{version}/accounts/" 40..=45 "get_accounts" "Get account list" query DbdAccountsQuery => AccountsResp;
DbdPostAccounts: Post "/slurmdb/{version}/accounts/" 40..=45 "post_accounts" "Add/update list of accounts" body AccountsResp => Plain;
DbdPostAccountsAssociation: Post "/slurmdb/{version}/accounts_association/" 40..=45 "post_accounts_association" "Add accounts with conditional association" body AccountsAddCondResp => AccountsAddCondRespStr;
DbdDeleteAssociation: Delete "/slurmdb/{version}/association/" 40..=45 "delete_association" "Delete association" query DbdDeleteAssociationQuery => AssocsRemovedResp;
DbdGetAssociation: Get "/slurmdb/{version}/association/" 40..=45 "get_association" "Get association info" query DbdDeleteAssociationQuery => AssocsResp;
DbdDeleteAssociations: Delete "/slurmdb/{version}/associations/" 40..=45 "delete_associations" "Delete associations" query DbdDeleteAssociationQuery => AssocsRemovedResp;
DbdGetAssociations: Get "/slurmdb/{version}/associations/" 40..=45 "get_associations" "Get association list" query DbdDeleteAssociationQuery => AssocsResp;
DbdPostAssociations: Post "/slurmdb/{version}/associations/" 40..=45 "post_associations" "Set associations info" body AssocsResp => Plain;
DbdDeleteCluster: Delete "/slurmdb/{version}/cluster/{cluster_name}" 40..=45 "delete_cluster" "Delete cluster" query DbdDeleteClusterQuery => ClustersRemovedResp;
DbdGetCluster: Get "/slurmdb/{version}/cluster/{cluster_name}" 40..=45 "get_cluster" "Get cluster info" query DbdDeleteClusterQuery => ClustersResp;
DbdGetClusters: Get "/slurmdb/{version}/clusters/" 40..=45 "get_clusters" "Get cluster list" query ConfQuery => ClustersResp;
DbdPostClusters: Post "/slurmdb/{version}/clusters/" 40..=45 "post_clusters" "Get cluster list" query ConfQuery body ClustersResp => Plain;
DbdGetConf: Get "/slurmdb/{version}/conf" 45..=45 "get_conf" "Dump slurmdbd configuration" => DbdConfResp;
DbdGetConfig: Get "/slurmdb/{version}/config" 40..=45 "get_config" "Dump all configuration information" => DbdConfigResp;
DbdPostConfig: Post "/slurmdb/{version}/config" 40..=45 "post_config" "Load all configuration information" body DbdConfigResp => Plain;
DbdGetDiag: Get "/slurmdb/{version}/diag/" 40..=45 "get_diag" "Get slurmdb diagnostics" => DbdStatsResp;
DbdGetInstance: Get "/slurmdb/{version}/instance/" 40..=45 "get_instance" "Get instance info" query DbdInstanceQuery => InstancesResp;
DbdGetInstances: Get "/slurmdb/{version}/instances/" 40..=45 "get_instances" "Get instance list" query DbdInstanceQuery => InstancesResp;
DbdGetJob: Get "/slurmdb/{version}/job/{job_id}" 40..=45 "get_job" "Get job info" => DbdJobsResp;
DbdPostJob: Post "/slurmdb/{version}/job/{job_id}" 44..=45 "post_job" "Update job" body JobModify => JobModifyResp;
DbdGetJobs: Get "/slurmdb/{version}/jobs/" 40..=45 "get_jobs" "Get job list" query DbdJobsQuery => DbdJobsResp;
DbdPostJobs: Post "/slurmdb/{version}/jobs/" 44..=45 "post_jobs" "Update jobs" body JobModifyReq => JobModifyResp;
DbdGetPing: Get "/slurmdb/{version}/ping/" 42..=45 "get_ping" "ping test" => DbdPingResp;
DbdGetQos: Get "/slurmdb/{version}/qos/" 40..=45 "get_qos" "Get QOS list" query DbdQosQuery => DbdQosResp;
DbdPostQos: Post "/slurmdb/{version}/qos/" 40..=45 "post_qos" "Add or update QOSs" query DbdQosQuery body DbdQosResp => Plain;
DbdDeleteSingleQos: Delete "/slurmdb/{version}/qos/{qos}" 40..=45 "delete_single_qos" "Delete QOS" => DbdQosRemovedResp;
DbdGetSingleQos: Get "/slurmdb/{version}/qos/{qos}" 40..=45 "get_single_qos" "Get QOS info" query DbdSingleQosQuery => DbdQosResp;
DbdGetTres: Get "/slurmdb/{version}/tres/" 40..=45 "get_tres" "Get TRES info" => TresResp;
DbdPostTres: Post "/slurmdb/{version}/tres/" 40..=45 "post_tres" "Add TRES" body TresResp => Plain;
DbdDeleteUser: Delete "/slurmdb/{version}/user/{name}" 40..=45 "delete_user" "Delete user" => Plain;
DbdGetUser: Get "/slurmdb/{version}/user/{name}" 40..=45 "get_user" "Get user info" query DbdUserQuery => UsersResp;
DbdGetUsers: Get "/slurmdb/{version}/users/" 40..=45 "get_users" "Get user list" query DbdUsersQuery => UsersResp;
DbdPostUsers: Post "/slurmdb/{version}/users/" 40..=45 "post_users" "Update users" body UsersResp => Plain;
DbdPostUsersAssociation: Post "/slurmdb/{version}/users_association/" 40..=45 "post_users_association" "Add users with conditional association" query JobQuery body UsersAddCondResp => UsersAddCondRespStr;
DbdDeleteWckey: Delete "/slurmdb/{version}/wckey/{id}" 40..=45 "delete_wckey" "Delete wckey" => WcKeyRemovedResp;
DbdGetWckey: Get "/slurmdb/{version}/wckey/{id}" 40..=45 "get_wckey" "Get wckey info" => WcKeyResp;
DbdGetWckeys: Get "/slurmdb/{version}/wckeys/" 40..=45 "get_wckeys" "Get wckey list" query DbdWckeysQuery => WcKeyResp;
DbdPostWckeys: Post "/slurmdb/{version}/wckeys/" 40..=45 "post_wckeys" "Add or update wckeys" query DbdWckeysQuery body WcKeyResp => Plain;
PostHostlist: Post "/util/{version}/hostlist" 44..=45 "post_hostlist" "Convert an array of host names into hostlist expression" body HostnamesReqResp => HostlistReqResp;
PostHostnames: Post "/util/{version}/hostnames" 44..=45 "post_hostnames" "Convert a hostlist expression into array of host names" body HostlistReqResp => HostnamesReqResp;}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Dump slurm configuration.
    GetConf,
    /// Get diagnostics.
    GetDiag,
    /// Submit new job allocation without any steps that must be signaled to stop.
    PostJobAllocate,
    /// Submit new job.
    PostJobSubmit,
    /// Cancel or signal job.
    DeleteJob,
    /// Get job info.
    GetJob,
    /// Update job.
    PostJob,
    /// Request job requeue.
    GetJobRequeue,
    /// Send signal to list of jobs.
    DeleteJobs,
    /// Get list of jobs.
    GetJobs,
    /// Batch requeue job(s).
    PostJobsRequeue,
    /// Get list of job states.
    GetJobsState,
    /// Get all Slurm tracked license info.
    GetLicenses,
    /// Create node.
    PostNewNode,
    /// Delete node.
    DeleteNode,
    /// Get node info.
    GetNode,
    /// Update node properties.
    PostNode,
    /// Get node(s) info.
    GetNodes,
    /// Batch update node(s).
    PostNodes,
    /// Delete partition.
    DeletePartition,
    /// Get partition info.
    GetPartition,
    /// Get all partition info.
    GetPartitions,
    /// Create or update partitions.
    PostPartitions,
    /// Ping test.
    GetPing,
    /// Request slurmctld reconfigure.
    GetReconfigure,
    /// Create or update a reservation.
    PostReservation,
    /// Delete a reservation.
    DeleteReservation,
    /// Get reservation info.
    GetReservation,
    /// Get all reservation info.
    GetReservations,
    /// Create or update reservations.
    PostReservations,
    /// Get resource layout info.
    GetResources,
    /// Get fairshare info.
    GetShares,
    /// Delete account.
    DbdDeleteAccount,
    /// Get account info.
    DbdGetAccount,
    /// Get account list.
    DbdGetAccounts,
    /// Add/update list of accounts.
    DbdPostAccounts,
    /// Add accounts with conditional association.
    DbdPostAccountsAssociation,
    /// Delete association.
    DbdDeleteAssociation,
    /// Get association info.
    DbdGetAssociation,
    /// Delete associations.
    DbdDeleteAssociations,
    /// Get association list.
    DbdGetAssociations,
    /// Set associations info.
    DbdPostAssociations,
    /// Delete cluster.
    DbdDeleteCluster,
    /// Get cluster info.
    DbdGetCluster,
    /// Get cluster list.
    DbdGetClusters,
    /// Get cluster list.
    DbdPostClusters,
    /// Dump slurmdbd configuration.
    DbdGetConf,
    /// Dump all configuration information.
    DbdGetConfig,
    /// Load all configuration information.
    DbdPostConfig,
    /// Get slurmdb diagnostics.
    DbdGetDiag,
    /// Get instance info.
    DbdGetInstance,
    /// Get instance list.
    DbdGetInstances,
    /// Get job info.
    DbdGetJob,
    /// Update job.
    DbdPostJob,
    /// Get job list.
    DbdGetJobs,
    /// Update jobs.
    DbdPostJobs,
    /// Ping test.
    DbdGetPing,
    /// Get QOS list.
    DbdGetQos,
    /// Add or update QOSs.
    DbdPostQos,
    /// Delete QOS.
    DbdDeleteSingleQos,
    /// Get QOS info.
    DbdGetSingleQos,
    /// Get TRES info.
    DbdGetTres,
    /// Add TRES.
    DbdPostTres,
    /// Delete user.
    DbdDeleteUser,
    /// Get user info.
    DbdGetUser,
    /// Get user list.
    DbdGetUsers,
    /// Update users.
    DbdPostUsers,
    /// Add users with conditional association.
    DbdPostUsersAssociation,
    /// Delete wckey.
    DbdDeleteWckey,
    /// Get wckey info.
    DbdGetWckey,
    /// Get wckey list.
    DbdGetWckeys,
    /// Add or update wckeys.
    DbdPostWckeys,
    /// Convert an array of host names into hostlist expression.
    PostHostlist,
    /// Convert a hostlist expression into array of host names.
    PostHostnames,
}
