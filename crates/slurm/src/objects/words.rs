//! Vocabularies: the words that the API's document enumerates.

use crate::table::vocabulary;

vocabulary! {
    /// Words of `account_flags`.
    AccountFlags = "account_flags" {
        "DELETED"; "WithAssociations" => since(41); "WithCoordinators" => since(41); "NoUsersAreCoords" => since(41);
        "UsersAreCoords" => since(41);
    }
    /// Words of `AccountingStorageEnforce`.
    AccountingStorageEnforce = "" {
        "associations"; "limits"; "wckeys"; "qos"; "safe"; "nojobs"; "nosteps";
    }
    /// Words of `AccountingStoreFlags`.
    AccountingStoreFlags = "" {
        "job_comment"; "job_extra"; "job_script"; "job_env"; "no_stdio";
    }
    /// Words of `acct_gather_profile`.
    AcctGatherProfile = "acct_gather_profile" {
        "NOT_SET"; "NONE"; "ENERGY"; "LUSTRE"; "NETWORK"; "TASK";
    }
    /// Words of `admin_lvl`.
    AdminLvl = "admin_lvl" {
        "Not Set"; "None"; "Operator"; "Administrator";
    }
    /// Words of `assoc_flags`.
    AssocFlags = "assoc_flags" {
        "DELETED"; "NoUpdate" => since(41); "Exact" => since(41); "NoUsersAreCoords" => since(41);
        "UsersAreCoords" => since(41);
    }
    /// Words of `assoc_shares_obj_wrap_type`.
    AssocSharesObjWrapType = "assoc_shares_obj_wrap_type" {
        "USER"; "ASSOCIATION";
    }
    /// Words of `CertFlags`.
    CertFlags = "" {
        "TOKEN_SET";
    }
    /// Words of `ClusterClassification`.
    ClusterClassification = "" {
        "UNCLASSIFIED"; "CAPABILITY"; "CAPACITY"; "CAPAPACITY (both CAPABILITY and CAPACITY)" => until(41);
        "CAPAPACITY" => since(42);
    }
    /// Words of `cluster_rec_flags`.
    ClusterRecFlags = "cluster_rec_flags" {
        "DELETED" => since(43); "REGISTERING"; "MULTIPLE_SLURMD"; "FRONT_END" => until(40); "FEDERATION"; "EXTERNAL";
    }
    /// Words of `CommunicationParametersFlags`.
    CommunicationParametersFlags = "" {
        "IPv4"; "IPv6"; "disable_http";
    }
    /// Words of `ConfFlags`.
    ConfFlags = "" {
        "DisableRootJobs"; "AllowSpecResourcesUsage"; "UsePam"; "TrackWCKey";
    }
    /// Words of `cpu_binding_flags`.
    CpuBindingFlags = "cpu_binding_flags" {
        "CPU_BIND_TO_THREADS"; "CPU_BIND_TO_CORES"; "CPU_BIND_TO_SOCKETS"; "CPU_BIND_TO_LDOMS"; "CPU_BIND_NONE";
        "CPU_BIND_RANK" => until(44); "CPU_BIND_MAP"; "CPU_BIND_MASK"; "CPU_BIND_LDRANK"; "CPU_BIND_LDMAP";
        "CPU_BIND_LDMASK"; "VERBOSE"; "CPU_BIND_ONE_THREAD_PER_CORE";
    }
    /// Words of `CpuFreqGovernors`.
    CpuFreqGovernors = "" {
        "Unset"; "Conservative"; "OnDemand"; "Performance"; "PowerSave"; "SchedUtil"; "UserSpace"; "Low"; "Medium";
        "Highm1"; "High";
    }
    /// Words of `cr_type`.
    CrType = "cr_type" {
        "CPU" => until(44); "SOCKET" => until(44); "CORE" => until(44); "BOARD" => until(44); "MEMORY" => until(44);
        "ONE_TASK_PER_CORE" => until(44); "PACK_NODES" => until(44); "CORE_DEFAULT_DIST_BLOCK" => until(44);
        "LLN" => until(44); "LINEAR" => until(44); "NONE" => since(45); "CR_CPU_MEMORY" => since(45);
        "CR_CPU" => since(45); "CR_CORE_MEMORY" => since(45); "CR_CORE" => since(45); "CR_SOCKET_MEMORY" => since(45);
        "CR_SOCKET" => since(45); "CR_MEMORY" => since(45); "CR_ONE_TASK_PER_CORE" => since(45);
        "CR_CORE_DEFAULT_DIST_BLOCK" => since(45); "CR_NO_DIST_TOPO_BLOCK" => since(45); "CR_LLN" => since(45);
        "CR_PACK_NODES" => since(45); "LL_SHARED_GRES" => since(45); "MULTIPLE_SHARING_GRES_PJ" => since(45);
        "ENFORCE_BINDING_GRES" => since(45); "ONE_TASK_PER_SHARING_GRES" => since(45);
    }
    /// Words of `cron_entry_flags`.
    CronEntryFlags = "cron_entry_flags" {
        "WILD_MINUTE"; "WILD_HOUR"; "WILD_DAY_OF_MONTH"; "WILD_MONTH"; "WILD_DAY_OF_WEEK";
    }
    /// Words of `DebugFlags`.
    DebugFlags = "" {
        "Accrue"; "Agent"; "AuditRPCs"; "AuditTLS"; "Backfill"; "BackfillMap"; "BurstBuffer"; "Cgroup"; "ConMgr";
        "CpuFrequency"; "CPU_Bind"; "Data"; "DBD_Agent"; "DB_Archive"; "DB_Assoc"; "DB_Event"; "DB_Job"; "DB_QOS";
        "DB_Query"; "DB_Reservation"; "DB_Resource"; "DB_Step"; "DB_TRES"; "DB_Usage"; "DB_WCKey"; "Dependency";
        "Energy"; "Federation"; "Gang"; "GLOB_SILENCE"; "Gres"; "Hetjob"; "Interconnect"; "JobAccountGather";
        "JobComp"; "Namespace"; "NodeFeatures"; "License"; "Metrics"; "MPI"; "Network"; "NetworkRaw"; "NO_CONF_HASH";
        "Power"; "Priority"; "Profile"; "Protocol"; "Reservation"; "Route"; "Sack"; "Script"; "SelectType"; "Steps";
        "Switch"; "thread"; "TLS"; "TraceJobs"; "Triggers";
    }
    /// Words of `EnforcePartLimits`.
    EnforcePartLimits = "" {
        "NO"; "ANY"; "ALL";
    }
    /// Words of `Flags`.
    Flags = "" {
        "AllowNoDefAcct"; "AllResourcesAbsolute"; "DisableCoordDBD"; "DisableArchiveCommands";
    }
    /// Words of `HealthCheckNodeState`.
    HealthCheckNodeState = "" {
        "START_ONLY"; "REBOOT_ONLY"; "ANY"; "IDLE"; "ALLOC"; "MIXED"; "NONDRAINED_IDLE"; "CYCLE";
    }
    /// Words of `JobDefaultsType`.
    JobDefaultsType = "" {
        "DefCpuPerGPU"; "DefMemPerGPU";
    }
    /// Words of `job_exclusive_flags`.
    JobExclusiveFlags = "job_exclusive_flags" {
        "true"; "false"; "user"; "mcs"; "topo" => since(41);
    }
    /// Words of `job_flags`.
    JobFlags = "job_flags" {
        "KILL_INVALID_DEPENDENCY"; "NO_KILL_INVALID_DEPENDENCY"; "HAS_STATE_DIRECTORY"; "TESTING_BACKFILL";
        "GRES_BINDING_ENFORCED"; "TEST_NOW_ONLY"; "SEND_JOB_ENVIRONMENT"; "SPREAD_JOB"; "PREFER_MINIMUM_NODE_COUNT";
        "JOB_KILL_HURRY"; "SKIP_TRES_STRING_ACCOUNTING"; "SIBLING_CLUSTER_UPDATE_ONLY"; "HETEROGENEOUS_JOB";
        "EXACT_TASK_COUNT_REQUESTED"; "EXACT_CPU_COUNT_REQUESTED"; "TESTING_WHOLE_NODE_BACKFILL"; "TOP_PRIORITY_JOB";
        "ACCRUE_COUNT_CLEARED"; "GRES_BINDING_DISABLED"; "JOB_WAS_RUNNING"; "JOB_ACCRUE_TIME_RESET"; "CRON_JOB";
        "EXACT_MEMORY_REQUESTED"; "EXTERNAL_JOB" => since(43); "USING_DEFAULT_ACCOUNT"; "USING_DEFAULT_PARTITION";
        "USING_DEFAULT_QOS"; "USING_DEFAULT_WCKEY"; "DEPENDENT"; "MAGNETIC"; "PARTITION_ASSIGNED";
        "BACKFILL_ATTEMPTED"; "SCHEDULING_ATTEMPTED"; "SAVE_BATCH_SCRIPT" => until(40);
        "GRES_ONE_TASK_PER_SHARING" => until(40); "GRES_MULTIPLE_TASKS_PER_SHARING" => until(40);
        "GRES_ALLOW_TASK_SHARING" => until(40); "STEPMGR_ENABLED" => since(41); "SPREAD_SEGMENTS" => since(44);
        "CONSOLIDATE_SEGMENTS" => since(44); "EXPEDITED_REQUEUE" => since(44); "JOB_IMPLICIT_MAX_NODES" => since(45);
    }
    /// Words of `job_mail_flags`.
    JobMailFlags = "job_mail_flags" {
        "BEGIN"; "END"; "FAIL"; "REQUEUE"; "TIME=100%"; "TIME=90%"; "TIME=80%"; "TIME=50%"; "STAGE_OUT";
        "ARRAY_TASKS"; "INVALID_DEPENDENCY";
    }
    /// Words of `job_res_core_status`.
    JobResCoreStatus = "job_res_core_status" {
        "INVALID"; "UNALLOCATED"; "ALLOCATED"; "IN_USE";
    }
    /// Words of `job_shared`.
    JobShared = "job_shared" {
        "none"; "oversubscribe"; "user"; "mcs"; "topo" => since(41);
    }
    /// Words of `job_show_flags`.
    JobShowFlags = "job_show_flags" {
        "ALL"; "DETAIL"; "MIXED"; "LOCAL"; "SIBLING"; "FEDERATION"; "FUTURE";
    }
    /// Words of `job_state`.
    JobState = "job_state" {
        "PENDING"; "RUNNING"; "SUSPENDED"; "COMPLETED"; "CANCELLED"; "FAILED"; "TIMEOUT"; "NODE_FAIL"; "PREEMPTED";
        "BOOT_FAIL"; "DEADLINE"; "OUT_OF_MEMORY"; "LAUNCH_FAILED"; "REQUEUED"; "REQUEUE_HOLD"; "SPECIAL_EXIT";
        "RESIZING"; "CONFIGURING"; "COMPLETING"; "STOPPED"; "RECONFIG_FAIL"; "POWER_UP_NODE"; "REVOKED";
        "REQUEUE_FED"; "RESV_DEL_HOLD"; "SIGNALING"; "STAGE_OUT"; "EXPEDITING" => since(44);
    }
    /// Words of `JobsRequeueQueryFlags`.
    JobsRequeueQueryFlags = "" {
        "Incomplete"; "Hold"; "SpecialExit";
    }
    /// Words of `memory_binding_type`.
    MemoryBindingType = "memory_binding_type" {
        "NONE"; "RANK"; "MAP"; "MASK"; "LOCAL"; "VERBOSE"; "SORT" => until(43); "PREFER";
    }
    /// Words of `node_cr_type`.
    NodeCrType = "node_cr_type" {
        "AVAILABLE"; "ONE_ROW"; "RESERVED";
    }
    /// Words of `node_states`.
    NodeState = "node_states" {
        "INVALID"; "UNKNOWN"; "DOWN"; "IDLE"; "ALLOCATED"; "ERROR"; "MIXED"; "FUTURE"; "EXTERNAL" => since(44);
        "RESERVED"; "UNDRAIN"; "CLOUD"; "RESUME"; "DRAIN"; "COMPLETING"; "NOT_RESPONDING"; "POWERED_DOWN"; "FAIL";
        "POWERING_UP"; "MAINTENANCE"; "REBOOT_REQUESTED"; "REBOOT_CANCELED"; "POWERING_DOWN"; "DYNAMIC_FUTURE";
        "REBOOT_ISSUED"; "PLANNED"; "INVALID_REG"; "POWER_DOWN"; "POWER_UP"; "POWER_DRAIN";
        "POWER_DOWN_ASAP" => since(45); "POWER_DOWN_FORCE" => since(45); "DYNAMIC_NORM"; "BLOCKED" => since(44);
    }
    /// Words of `open_mode`.
    OpenMode = "open_mode" {
        "APPEND"; "TRUNCATE";
    }
    /// Words of `oversubscribe_flags`.
    OversubscribeFlags = "oversubscribe_flags" {
        "force";
    }
    /// Words of `PartitionFlags`.
    PartitionFlags = "" {
        "DEFAULT"; "HIDDEN"; "NO_ROOT"; "ROOT_ONLY"; "REQ_RESV"; "LLN"; "PDOI"; "DEFAULT_CLEAR"; "HIDDEN_CLEAR";
        "NO_ROOT_CLEAR"; "ROOT_ONLY_CLEAR"; "REQ_RESV_CLEAR"; "LLN_CLEAR"; "PDOI_CLEAR";
    }
    /// Words of `partition_states`.
    PartitionStates = "partition_states" {
        "INACTIVE"; "UNKNOWN"; "UP"; "DOWN"; "DRAIN";
    }
    /// Words of `PersistConnFlags`.
    PersistConnFlags = "" {
        "PreserveCaseUser";
    }
    /// Words of `PreemptMode`.
    PreemptMode = "" {
        "CLUSTER_GLOBAL"; "DISABLED"; "SUSPEND"; "REQUEUE"; "CANCEL"; "PRIORITY";
    }
    /// Words of `PriorityFlags`.
    PriorityFlags = "" {
        "ACCRUE_ALWAYS"; "SMALL_RELATIVE_TO_TIME"; "CALCULATE_RUNNING"; "DEPTH_OBLIVIOUS"; "FAIR_TREE"; "INCR_ONLY";
        "MAX_TRES"; "MAX_TRES_GRES"; "NO_NORMAL_ASSOC"; "NO_NORMAL_PART"; "NO_NORMAL_QOS"; "NO_NORMAL_TRES";
    }
    /// Words of `PrivateData`.
    PrivateData = "" {
        "accounts"; "events"; "jobs"; "nodes"; "partitions"; "reservations"; "usage"; "users";
    }
    /// Words of `process_exit_code_status`.
    ProcessExitCodeStatus = "process_exit_code_status" {
        "INVALID"; "PENDING"; "SUCCESS"; "ERROR"; "SIGNALED"; "CORE_DUMPED";
    }
    /// Words of `PrologFlags`.
    PrologFlags = "" {
        "Alloc"; "NoHold"; "Contain"; "Serial"; "X11"; "DeferBatch"; "ForceRequeueOnFail"; "RunInJob";
    }
    /// Words of `qos_flags`.
    QosFlags = "qos_flags" {
        "NOT_SET"; "ADD"; "REMOVE"; "DELETED" => since(43); "PARTITION_MINIMUM_NODE"; "PARTITION_MAXIMUM_NODE";
        "PARTITION_TIME_LIMIT"; "ENFORCE_USAGE_THRESHOLD"; "NO_RESERVE"; "REQUIRED_RESERVATION"; "DENY_LIMIT";
        "OVERRIDE_PARTITION_QOS"; "PARTITION_QOS" => since(43); "NO_DECAY"; "USAGE_FACTOR_SAFE"; "RELATIVE";
    }
    /// Words of `qos_preempt_modes`.
    QosPreemptModes = "qos_preempt_modes" {
        "DISABLED"; "SUSPEND"; "REQUEUE"; "CANCEL"; "GANG";
    }
    /// Words of `ReconfigFlags`.
    ReconfigFlags = "" {
        "KeepPartInfo"; "KeepPartState"; "KeepPowerSaveSettings";
    }
    /// Words of `ReservationDescFlags`.
    ReservationDescFlags = "" {
        "MAINT"; "NO_MAINT"; "DAILY"; "NO_DAILY"; "WEEKLY"; "NO_WEEKLY"; "IGNORE_JOBS"; "NO_IGNORE_JOBS"; "ANY_NODES";
        "NO_ANY_NODES" => since(44); "STATIC"; "NO_STATIC"; "PART_NODES"; "NO_PART_NODES"; "OVERLAP"; "SPEC_NODES";
        "TIME_FLOAT"; "REPLACE"; "ALL_NODES"; "PURGE_COMP"; "WEEKDAY"; "NO_WEEKDAY"; "WEEKEND"; "NO_WEEKEND"; "FLEX";
        "NO_FLEX"; "DURATION_PLUS"; "DURATION_MINUS"; "NO_HOLD_JOBS_AFTER_END"; "REPLACE_DOWN" => since(44);
        "NO_PURGE_COMP"; "MAGNETIC"; "NO_MAGNETIC" => since(44); "SKIP"; "HOURLY"; "NO_HOURLY"; "USER_DELETE";
        "FORCE_START" => since(44); "NO_USER_DELETE"; "REOCCURRING"; "TRES_PER_NODE" => since(44);
    }
    /// Words of `reservation_flags`.
    ReservationFlags = "reservation_flags" {
        "MAINT"; "NO_MAINT"; "DAILY"; "NO_DAILY"; "WEEKLY"; "NO_WEEKLY"; "IGNORE_JOBS"; "NO_IGNORE_JOBS"; "ANY_NODES";
        "NO_ANY_NODES" => since(44); "STATIC"; "NO_STATIC"; "PART_NODES"; "NO_PART_NODES"; "OVERLAP"; "SPEC_NODES";
        "TIME_FLOAT"; "REPLACE"; "ALL_NODES"; "PURGE_COMP"; "WEEKDAY"; "NO_WEEKDAY"; "WEEKEND"; "NO_WEEKEND"; "FLEX";
        "NO_FLEX"; "DURATION_PLUS"; "DURATION_MINUS"; "NO_HOLD_JOBS_AFTER_END"; "REPLACE_DOWN" => since(44);
        "NO_PURGE_COMP"; "MAGNETIC"; "NO_MAGNETIC" => since(44); "SKIP"; "HOURLY"; "NO_HOURLY";
        "USER_DELETE" => since(41); "FORCE_START" => since(44); "NO_USER_DELETE" => since(41); "REOCCURRING";
        "TRES_PER_NODE" => since(44);
    }
    /// Words of `RollupStatsV40Type`.
    RollupStatsV40Type = "" {
        "internal"; "user"; "unknown";
    }
    /// Words of `SelectTypeParameters`.
    SelectTypeParameters = "" {
        "NONE"; "CR_CPU_MEMORY"; "CR_CPU"; "CR_CORE_MEMORY"; "CR_CORE"; "CR_SOCKET_MEMORY"; "CR_SOCKET"; "CR_MEMORY";
        "CR_ONE_TASK_PER_CORE"; "CR_CORE_DEFAULT_DIST_BLOCK"; "CR_NO_DIST_TOPO_BLOCK"; "CR_LLN"; "CR_PACK_NODES";
        "LL_SHARED_GRES"; "MULTIPLE_SHARING_GRES_PJ"; "ENFORCE_BINDING_GRES"; "ONE_TASK_PER_SHARING_GRES";
    }
    /// Words of `SlurmConfPreemptMode`.
    SlurmConfPreemptMode = "" {
        "DISABLED"; "SUSPEND"; "REQUEUE"; "CANCEL"; "GANG"; "WITHIN"; "PRIORITY";
    }
    /// Words of `SlurmdParametersFlags`.
    SlurmdParametersFlags = "" {
        "config_overrides"; "l3cache_as_socket"; "numa_node_as_socket"; "allow_ecores"; "shutdown_on_reboot";
        "contain_spank";
    }
    /// Words of `slurmdb_job_flags`.
    SlurmdbJobFlags = "slurmdb_job_flags" {
        "NONE"; "CLEAR_SCHEDULING"; "NOT_SET"; "STARTED_ON_SUBMIT"; "STARTED_ON_SCHEDULE"; "STARTED_ON_BACKFILL";
        "START_RECEIVED"; "JOB_ALTERED" => since(44);
    }
    /// Words of `TaskBinding`.
    TaskBinding = "" {
        "CPU_BIND_TO_THREADS"; "CPU_BIND_TO_CORES"; "CPU_BIND_TO_SOCKETS"; "CPU_BIND_TO_LDOMS"; "CPU_BIND_NONE";
        "CPU_BIND_OFF"; "VERBOSE";
    }
    /// Words of `TaskPluginParam`.
    TaskPluginParam = "" {
        "None"; "Threads"; "Cores"; "Sockets"; "autobind=threads"; "autobind=cores"; "autobind=sockets"; "Verbose";
        "SlurmdOffSpec"; "OOMKillStep"; "SlurmdSpecOverride";
    }
    /// Words of `user_flags`.
    UserFlags = "user_flags" {
        "NONE"; "DELETED";
    }
    /// Words of `warn_flags`.
    WarnFlags = "warn_flags" {
        "BATCH_JOB"; "ARRAY_TASK"; "FULL_STEPS_ONLY"; "FULL_JOB"; "FEDERATION_REQUEUE"; "HURRY"; "OUT_OF_MEMORY";
        "NO_SIBLING_JOBS"; "RESERVATION_JOB"; "NO_CRON_JOBS" => until(40); "VERBOSE"; "CRON_JOBS"; "WARNING_SENT";
    }
    /// Words of `wckey_flags`.
    WckeyFlags = "wckey_flags" {
        "DELETED";
    }
    /// Words of `wckey_tag_flags`.
    WckeyTagFlags = "wckey_tag_flags" {
        "ASSIGNED_DEFAULT";
    }
    /// Words of `x11_flags`.
    X11Flags = "x11_flags" {
        "FORWARD_ALL_NODES"; "BATCH_NODE"; "FIRST_NODE"; "LAST_NODE";
    }
}
