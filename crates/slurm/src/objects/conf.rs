//! Configurations.

use super::words;
use crate::table::{Flags, Num, object};

object! {
    /// The configuration of the controller.
    SlurmConf = "slurm_conf" {
        accounting_storage_tres: Vec<String> = "AccountingStorageTRES" => since(45) named("csv_string");
        accounting_storage_backup_host: String = "AccountingStorageBackupHost" => since(45);
        accounting_storage_enforce: Flags<words::AccountingStorageEnforce> = "AccountingStorageEnforce" => since(45);
        accounting_storage_external_host: String = "AccountingStorageExternalHost" => since(45);
        accounting_storage_host: String = "AccountingStorageHost" => since(45);
        accounting_storage_parameters: Vec<String> = "AccountingStorageParameters" => since(45) named("csv_string");
        accounting_storage_port: i32 = "AccountingStoragePort" => since(45);
        accounting_storage_type: String = "AccountingStorageType" => since(45);
        acct_gather_energy_type: Vec<String> = "AcctGatherEnergyType" => since(45) named("csv_string");
        acct_gather_profile_type: String = "AcctGatherProfileType" => since(45);
        acct_gather_interconnect_type: String = "AcctGatherInterconnectType" => since(45);
        acct_gather_filesystem_type: String = "AcctGatherFilesystemType" => since(45);
        acct_gather_node_freq: i32 = "AcctGatherNodeFreq" => since(45);
        conf_flags: Flags<words::ConfFlags> = "ConfFlags" => since(45);
        auth_alt_types: Vec<String> = "AuthAltTypes" => since(45) named("csv_string");
        auth_info: String = "AuthInfo" => since(45);
        auth_alt_parameters: String = "AuthAltParameters" => since(45);
        auth_type: String = "AuthType" => since(45);
        batch_start_timeout: i32 = "BatchStartTimeout" => since(45);
        burst_buffer_type: String = "BurstBufferType" => since(45);
        bcast_exclude: Vec<String> = "BcastExclude" => since(45) named("csv_string");
        bcast_parameters: Vec<String> = "BcastParameters" => since(45) named("csv_string");
        certgen_parameters: Vec<String> = "CertgenParameters" => since(45) named("csv_string");
        certgen_type: String = "CertgenType" => since(45);
        certmgr_parameters: String = "CertmgrParameters" => since(45);
        certmgr_type: String = "CertmgrType" => since(45);
        cli_filter_parameters: Vec<String> = "CliFilterParameters" => since(45) named("csv_string");
        cli_filter_plugins: Vec<String> = "CliFilterPlugins" => since(45) named("csv_string");
        cluster_name: String = "ClusterName" => since(45);
        communication_parameters: Vec<String> = "CommunicationParameters" => since(45) named("csv_string");
        complete_wait: i32 = "CompleteWait" => since(45);
        communication_parameters_flags: Flags<words::CommunicationParametersFlags> = "CommunicationParametersFlags" => since(45);
        accounting_store_flags: Flags<words::AccountingStoreFlags> = "AccountingStoreFlags" => since(45);
        slurmd_parameters_flags: Flags<words::SlurmdParametersFlags> = "SlurmdParametersFlags" => since(45);
        controllers: Vec<Controller> => since(45) named("controllers_array");
        cpu_freq_def: String = "CpuFreqDef" => since(45);
        cpu_freq_governors: Flags<words::CpuFreqGovernors> = "CpuFreqGovernors" => since(45);
        cred_type: String = "CredType" => since(45);
        data_parser_parameters: String = "DataParserParameters" => since(45);
        debug_flags: Flags<words::DebugFlags> = "DebugFlags" => since(45);
        def_mem_per_cpu: Num<u64> = "DefMemPerCPU" => since(45);
        dependency_parameters: Vec<String> = "DependencyParameters" => since(45) named("csv_string");
        eio_timeout: i32 = "EioTimeout" => since(45);
        enforce_part_limits: Flags<words::EnforcePartLimits> = "EnforcePartLimits" => since(45);
        epilog: Vec<String> = "Epilog" => since(45) named("string_array");
        epilog_msg_time: i32 = "EpilogMsgTime" => since(45);
        epilog_slurmctld: Vec<String> = "EpilogSlurmctld" => since(45) named("string_array");
        epilog_timeout: Num<u16> = "EpilogTimeout" => since(45);
        federation_parameters: Vec<String> = "FederationParameters" => since(45) named("csv_string");
        first_job_id: i32 = "FirstJobId" => since(45);
        fair_share_dampening_factor: i32 = "FairShareDampeningFactor" => since(45);
        get_name_info_cache_timeout: i32 = "GetNameInfoCacheTimeout" => since(45);
        gres_types: Vec<String> = "GresTypes" => since(45) named("csv_string");
        group_update_time: i32 = "GroupUpdateTime" => since(45);
        group_update_force: bool = "GroupUpdateForce" => since(45);
        gpu_freq_def: String = "GpuFreqDef" => since(45);
        hash_plugin: String = "HashPlugin" => since(45);
        health_check_interval: i32 = "HealthCheckInterval" => since(45);
        health_check_node_state: Flags<words::HealthCheckNodeState> = "HealthCheckNodeState" => since(45);
        health_check_program: String = "HealthCheckProgram" => since(45);
        health_check_timeout: i32 = "HealthCheckTimeout" => since(45);
        http_parser_type: String = "HttpParserType" => since(45);
        host_unreach_retry_count: i32 = "HostUnreachRetryCount" => since(45);
        inactive_limit: i32 = "InactiveLimit" => since(45);
        interactive_step_options: String = "InteractiveStepOptions" => since(45);
        job_acct_gather_frequency: Vec<String> = "JobAcctGatherFrequency" => since(45) named("csv_string");
        job_acct_gather_type: String = "JobAcctGatherType" => since(45);
        job_acct_gather_params: Vec<String> = "JobAcctGatherParams" => since(45) named("csv_string");
        job_acct_oom_kill: bool = "JobAcctOomKill" => since(45);
        job_comp_host: String = "JobCompHost" => since(45);
        job_comp_loc: String = "JobCompLoc" => since(45);
        job_comp_params: String = "JobCompParams" => since(45);
        job_comp_port: i32 = "JobCompPort" => since(45);
        job_comp_type: String = "JobCompType" => since(45);
        job_comp_user: String = "JobCompUser" => since(45);
        job_defaults: Vec<JobDefaults> = "JobDefaults" => since(45) named("job_defaults_list");
        job_file_append: bool = "JobFileAppend" => since(45);
        job_requeue: bool = "JobRequeue" => since(45);
        job_submit_plugins: Vec<String> = "JobSubmitPlugins" => since(45) named("csv_string");
        keepalive_interval: i32 = "KeepaliveInterval" => since(45);
        keepalive_probes: i32 = "KeepaliveProbes" => since(45);
        keepalive_time: i32 = "KeepaliveTime" => since(45);
        kill_on_bad_exit: bool = "KillOnBadExit" => since(45);
        kill_wait: i32 = "KillWait" => since(45);
        launch_parameters: Vec<String> = "LaunchParameters" => since(45) named("csv_string");
        licenses: Vec<String> = "Licenses" => since(45) named("csv_string");
        license_parameters: Vec<String> = "LicenseParameters" => since(45) named("csv_string");
        log_time_format: String = "LogTimeFormat" => since(45);
        mail_domain: String = "MailDomain" => since(45);
        mail_prog: String = "MailProg" => since(45);
        max_array_size: i32 = "MaxArraySize" => since(45);
        max_batch_requeue: i32 = "MaxBatchRequeue" => since(45);
        max_dbdmsgs: i32 = "MaxDBDMsgs" => since(45);
        max_job_count: i32 = "MaxJobCount" => since(45);
        max_job_id: i32 = "MaxJobId" => since(45);
        max_mem_per_cpu: Num<u64> = "MaxMemPerCPU" => since(45);
        max_node_count: i32 = "MaxNodeCount" => since(45);
        max_step_count: i32 = "MaxStepCount" => since(45);
        max_tasks_per_node: i32 = "MaxTasksPerNode" => since(45);
        mcsplugin: String = "MCSPlugin" => since(45);
        mcsparameters: Vec<String> = "MCSParameters" => since(45) named("csv_string");
        metrics_auth_users: Vec<String> = "MetricsAuthUsers" => since(45) named("csv_string");
        metrics_parameters: Vec<String> = "MetricsParameters" => since(45) named("csv_string");
        metrics_type: String = "MetricsType" => since(45);
        min_job_age: i32 = "MinJobAge" => since(45);
        mpi_default: String = "MpiDefault" => since(45);
        mpi_params: Vec<String> = "MpiParams" => since(45) named("csv_string");
        message_timeout: i32 = "MessageTimeout" => since(45);
        namespace_type: String = "NamespaceType" => since(45);
        node_features_plugins: Vec<String> = "NodeFeaturesPlugins" => since(45) named("csv_string");
        over_time_limit: i32 = "OverTimeLimit" => since(45);
        plugin_dir: String = "PluginDir" => since(45);
        plug_stack_config: String = "PlugStackConfig" => since(45);
        preempt_exempt_time: Num<u32> = "PreemptExemptTime" => since(45);
        preempt_mode: Flags<words::SlurmConfPreemptMode> = "PreemptMode" => since(45);
        preempt_parameters: Vec<String> = "PreemptParameters" => since(45) named("csv_string");
        preempt_type: String = "PreemptType" => since(45);
        pr_ep_parameters: String = "PrEpParameters" => since(45);
        pr_ep_plugins: Vec<String> = "PrEpPlugins" => since(45) named("csv_string");
        priority_decay_half_life: String = "PriorityDecayHalfLife" => since(45);
        priority_calc_period: String = "PriorityCalcPeriod" => since(45);
        priority_favor_small: bool = "PriorityFavorSmall" => since(45);
        priority_flags: Flags<words::PriorityFlags> = "PriorityFlags" => since(45);
        priority_max_age: String = "PriorityMaxAge" => since(45);
        priority_parameters: String = "PriorityParameters" => since(45);
        priority_usage_reset_period: String = "PriorityUsageResetPeriod" => since(45);
        priority_type: String = "PriorityType" => since(45);
        priority_weight_age: i32 = "PriorityWeightAge" => since(45);
        priority_weight_assoc: i32 = "PriorityWeightAssoc" => since(45);
        priority_weight_fairshare: i32 = "PriorityWeightFairshare" => since(45);
        priority_weight_job_size: i32 = "PriorityWeightJobSize" => since(45);
        priority_weight_partition: i32 = "PriorityWeightPartition" => since(45);
        priority_weight_qos: i32 = "PriorityWeightQOS" => since(45);
        priority_weight_tres: String = "PriorityWeightTRES" => since(45);
        private_data: Flags<words::PrivateData> = "PrivateData" => since(45);
        proctrack_type: String = "ProctrackType" => since(45);
        prolog: Vec<String> = "Prolog" => since(45) named("string_array");
        prolog_slurmctld: Vec<String> = "PrologSlurmctld" => since(45) named("string_array");
        prolog_timeout: Num<u16> = "PrologTimeout" => since(45);
        propagate_prio_process: String = "PropagatePrioProcess" => since(45);
        prolog_flags: Flags<words::PrologFlags> = "PrologFlags" => since(45);
        propagate_resource_limits: Vec<String> = "PropagateResourceLimits" => since(45) named("csv_string");
        propagate_resource_limits_except: Vec<String> = "PropagateResourceLimitsExcept" => since(45) named("csv_string");
        reboot_program: String = "RebootProgram" => since(45);
        reconfig_flags: Flags<words::ReconfigFlags> = "ReconfigFlags" => since(45);
        requeue_exit: Vec<String> = "RequeueExit" => since(45) named("csv_string");
        requeue_exit_hold: Vec<String> = "RequeueExitHold" => since(45) named("csv_string");
        resume_fail_program: String = "ResumeFailProgram" => since(45);
        resume_program: String = "ResumeProgram" => since(45);
        resume_rate: i32 = "ResumeRate" => since(45);
        resume_timeout: i32 = "ResumeTimeout" => since(45);
        resv_epilog: String = "ResvEpilog" => since(45);
        resv_over_run: i32 = "ResvOverRun" => since(45);
        resv_prolog: String = "ResvProlog" => since(45);
        return_to_service: String = "ReturnToService" => since(45);
        slurm_sched_log_file: String = "SlurmSchedLogFile" => since(45);
        slurm_sched_log_level: i32 = "SlurmSchedLogLevel" => since(45);
        scheduler_parameters: Vec<String> = "SchedulerParameters" => since(45) named("csv_string");
        scheduler_time_slice: i32 = "SchedulerTimeSlice" => since(45);
        scheduler_type: String = "SchedulerType" => since(45);
        scron_parameters: Vec<String> = "ScronParameters" => since(45) named("csv_string");
        select_type: String = "SelectType" => since(45);
        select_type_parameters: Flags<words::SelectTypeParameters> = "SelectTypeParameters" => since(45);
        priority_site_factor_plugin: String = "PrioritySiteFactorPlugin" => since(45);
        priority_site_factor_parameters: String = "PrioritySiteFactorParameters" => since(45);
        slurm_user_id: i32 = "SlurmUserId" => since(45);
        slurm_user: String = "SlurmUser" => since(45);
        slurmd_user_id: i32 = "SlurmdUserId" => since(45);
        slurmd_user: String = "SlurmdUser" => since(45);
        slurmctld_addr: String = "SlurmctldAddr" => since(45);
        slurmctld_debug: String = "SlurmctldDebug" => since(45);
        slurmctld_http_auth_params: Vec<String> = "SlurmctldHttpAuthParams" => since(45) named("csv_string") undescribed(40, 45);
        slurmctld_log_file: String = "SlurmctldLogFile" => since(45);
        slurmctld_pid_file: String = "SlurmctldPidFile" => since(45);
        slurmctld_port: i32 = "SlurmctldPort" => since(45);
        slurmctld_port_count: i32 = "SlurmctldPortCount" => since(45);
        slurmctld_primary_off_prog: String = "SlurmctldPrimaryOffProg" => since(45);
        slurmctld_primary_on_prog: String = "SlurmctldPrimaryOnProg" => since(45);
        slurmctld_syslog_debug: String = "SlurmctldSyslogDebug" => since(45);
        slurmctld_timeout: i32 = "SlurmctldTimeout" => since(45);
        slurmctld_parameters: Vec<String> = "SlurmctldParameters" => since(45) named("csv_string");
        slurmd_debug: String = "SlurmdDebug" => since(45);
        slurmd_http_auth_params: Vec<String> = "SlurmdHttpAuthParams" => since(45) named("csv_string") undescribed(40, 45);
        slurmd_log_file: String = "SlurmdLogFile" => since(45);
        slurmd_parameters: Vec<String> = "SlurmdParameters" => since(45) named("csv_string");
        slurmd_pid_file: String = "SlurmdPidFile" => since(45);
        slurmd_port: i32 = "SlurmdPort" => since(45);
        slurmd_spool_dir: String = "SlurmdSpoolDir" => since(45);
        slurmd_syslog_debug: String = "SlurmdSyslogDebug" => since(45);
        slurmd_timeout: i32 = "SlurmdTimeout" => since(45);
        srun_epilog: String = "SrunEpilog" => since(45);
        srun_port_range: PortRange = "SrunPortRange" => since(45);
        srun_prolog: String = "SrunProlog" => since(45);
        state_save_location: String = "StateSaveLocation" => since(45);
        suspend_exc_nodes: Vec<String> = "SuspendExcNodes" => since(45) named("csv_string");
        suspend_exc_parts: Vec<String> = "SuspendExcParts" => since(45) named("csv_string");
        suspend_exc_states: Vec<String> = "SuspendExcStates" => since(45) named("csv_string");
        suspend_program: String = "SuspendProgram" => since(45);
        suspend_rate: i32 = "SuspendRate" => since(45);
        suspend_time: Num<u32> = "SuspendTime" => since(45);
        suspend_timeout: i32 = "SuspendTimeout" => since(45);
        switch_type: String = "SwitchType" => since(45);
        switch_parameters: Vec<String> = "SwitchParameters" => since(45) named("csv_string");
        task_epilog: String = "TaskEpilog" => since(45);
        task_plugin: Vec<String> = "TaskPlugin" => since(45) named("csv_string");
        task_plugin_param: Flags<words::TaskPluginParam> = "TaskPluginParam" => since(45);
        task_prolog: String = "TaskProlog" => since(45);
        tlsparameters: Vec<String> = "TLSParameters" => since(45) named("csv_string");
        tlstype: String = "TLSType" => since(45);
        tcptimeout: i32 = "TCPTimeout" => since(45);
        tmp_fs: String = "TmpFS" => since(45);
        topology_param: Vec<String> = "TopologyParam" => since(45) named("csv_string");
        topology_plugin: String = "TopologyPlugin" => since(45);
        tree_width: i32 = "TreeWidth" => since(45);
        unkillable_step_program: String = "UnkillableStepProgram" => since(45);
        unkillable_step_timeout: i32 = "UnkillableStepTimeout" => since(45);
        url_parser_type: String = "UrlParserType" => since(45);
        vsize_factor: i32 = "VSizeFactor" => since(45);
        wait_time: i32 = "WaitTime" => since(45);
        x11_parameters: Vec<String> = "X11Parameters" => since(45) named("csv_string");
    }

    /// `controller` of the API.
    Controller = "controller" {
        address: String => since(45);
        machine: String => since(45);
    }

    /// `job_defaults` of the API.
    JobDefaults = "job_defaults" {
        kind: Flags<words::JobDefaultsType> = "type" => since(45);
        value: i64 => since(45);
    }

    /// `port_range` of the API.
    PortRange = "port_range" {
        minimum: i32 => since(45);
        maximum: i32 => since(45);
        set: bool => since(45);
    }

    /// `slurm_conf_meta` of the API.
    SlurmConfMeta = "slurm_conf_meta" {
        last_update: i64 = "LastUpdate" => since(45);
        boot_time: i64 = "BOOT_TIME" => since(45);
        cluster_id: Num<u16> = "ClusterId" => since(45);
        hash_value: u32 = "HashValue" => since(45);
        next_job_id: Num<u32> = "NEXT_JOB_ID" => since(45);
        slurm_conf: String = "SLURM_CONF" => since(45);
        slurm_version: String = "SLURM_VERSION" => since(45);
    }

    /// The configuration of the accounting daemon.
    SlurmdbdConf = "slurmdbd_conf" {
        archive_dir: String = "ArchiveDir" => since(45);
        archive_script: String = "ArchiveScript" => since(45);
        commit_delay: i32 = "CommitDelay" => since(45);
        dbd_addr: String = "DbdAddr" => since(45);
        dbd_backup_host: String = "DbdBackupHost" => since(45);
        dbd_host: String = "DbdHost" => since(45);
        dbd_port: i32 = "DbdPort" => since(45);
        debug_level: String = "DebugLevel" => since(45);
        default_qos: String = "DefaultQOS" => since(45);
        flags: Flags<words::Flags> = "Flags" => since(45);
        log_file: String = "LogFile" => since(45);
        max_purge_limit: i32 = "MaxPurgeLimit" => since(45);
        max_query_time_range: String = "MaxQueryTimeRange" => since(45);
        parameters: Vec<String> = "Parameters" => since(45) named("csv_string");
        persist_conn_flags: Flags<words::PersistConnFlags> = "PersistConnFlags" => since(45);
        pid_file: String = "PidFile" => since(45);
        purge_event_after: SlurmdbPurgeUnits = "PurgeEventAfter" => since(45);
        purge_job_after: SlurmdbPurgeUnits = "PurgeJobAfter" => since(45);
        purge_resv_after: SlurmdbPurgeUnits = "PurgeResvAfter" => since(45);
        purge_step_after: SlurmdbPurgeUnits = "PurgeStepAfter" => since(45);
        purge_suspend_after: SlurmdbPurgeUnits = "PurgeSuspendAfter" => since(45);
        purge_txnafter: SlurmdbPurgeUnits = "PurgeTXNAfter" => since(45);
        purge_usage_after: SlurmdbPurgeUnits = "PurgeUsageAfter" => since(45);
        purge_job_script_after: SlurmdbPurgeUnits = "PurgeJobScriptAfter" => since(45);
        purge_job_env_after: SlurmdbPurgeUnits = "PurgeJobEnvAfter" => since(45);
        storage_loc: String = "StorageLoc" => since(45);
        storage_pass_script: String = "StoragePassScript" => since(45);
        storage_user: String = "StorageUser" => since(45);
        debug_level_syslog: String = "DebugLevelSyslog" => since(45);
        track_wckey: bool = "TrackWCKey" => since(45);
        track_slurmctld_down: bool = "TrackSlurmctldDown" => since(45);
    }

    /// `slurmdb_purge_units` of the API.
    SlurmdbPurgeUnits = "slurmdb_purge_units" {
        set: bool => since(45);
        hours: i32 => since(45);
        days: i32 => since(45);
        months: i32 => since(45);
        archive: bool => since(45);
    }
}
