//! What each operation is called, takes and gives, as the original's document says it: clients are generated from it, which is why
//! names are the same. The notation is that of `notation.rs`.

/// An operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The first part of its `operationId`.
    pub(super) name: &'static str,
    /// Fields of the query, and those of the path (in braces) that are more than text.
    pub(super) parameters: &'static str,
    /// The type of its body; nothing if it takes none.
    pub(super) body: &'static str,
    /// The type of its answer; nothing if that may be anything.
    pub(super) answer: &'static str,
}

const fn get(path: &'static str, name: &'static str) -> Operation {
    Operation { method: "GET", path, name, parameters: "", body: "", answer: "" }
}

const fn post(path: &'static str, name: &'static str) -> Operation {
    Operation { method: "POST", ..get(path, name) }
}

impl Operation {
    const fn with(self, parameters: &'static str) -> Self {
        Self { parameters, ..self }
    }

    const fn taking(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    const fn giving(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }
}

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/", "Home"),
    get("/v4", "v4_routes_index").giving("#RoutesResponse"),
    get("/v4/auth/verify-token", "Verify_JWT_token").giving("#AuthResponse"),
    get("/v4/auth/cas/v2/login", "CAS_v2_login")
        .with("service?:string|null ticket?:string|null")
        .giving("#LoginResponse"),
    get("/v4/auth/oauth2/github/login", "Github_OAuth2_login")
        .with("code?:string|null redirect_uri?:string|null")
        .giving("#LoginResponse"),
    get("/v4/auth/oidc/login", "OpenID_Connect_login")
        .with("code?:string|null redirect_uri?:string|null")
        .giving("#LoginResponse"),
    get("/v4/experiments", "Search_experiments")
        .with(
            "query?:string|null only_active?:boolean=true owner?:string|null \
         exp_type?:test/operational/experiment|null autosubmit_version?:string|null hpc?:string|null \
         order_by?:expid/created/description|null order_desc?:boolean=false page?:integer>=1=1 \
         page_size?:integer=12",
        )
        .giving("#ExperimentsSearchResponse"),
    get("/v4/experiments/{expid}", "Get_experiment_detail").giving("#BaseExperimentModel"),
    get("/v4/experiments/{expid}/jobs", "List_experiment_jobs")
        .with(
            "view?:quick/base=\"base\" job_name?:string|null status?:string|null page?:integer>=1=1 \
         page_size?:integer>=1<=1000|null",
        )
        .giving("#ExperimentJobsResponse"),
    get("/v4/experiments/{expid}/wrappers", "Get_experiment_wrappers").giving("#ExperimentWrappersResponse"),
    get("/v4/experiments/{expid}/filesystem-config", "Get_experiment_current_filesystem_configuration")
        .giving("#ExperimentFSConfigResponse"),
    get("/v4/experiments/{expid}/runs", "List_experiment_runs").giving("#ExperimentRunsResponse"),
    get("/v4/experiments/{expid}/runs/{run_id}/config", "Get_experiment_run_configuration")
        .giving("#ExperimentRunConfigResponse"),
    get("/v4/experiments/{expid}/runs/{run_id}/user-metrics", "Get_the_user_defined_metrics_of_a_run")
        .with("{run_id}:integer"),
    get("/v4/experiments/{expid}/user-metrics-runs", "Get_the_runs_with_user_defined_metrics"),
    get("/v4/experiments/{expid}/eta", "Get_experiment_ETA")
        .with("section?:string=\"SIM\"")
        .giving("#ExperimentEtaResponse"),
    get("/v4/experiments/{expid}/jobs/{job_name}", "Get_experiment_job_detail").giving("#JobDetailResponse"),
    get("/v4/experiments/{expid}/jobs/{job_name}/parents", "Get_experiment_job_parents")
        .with("include_status?:boolean=false")
        .giving("object"),
    get("/v4/experiments/{expid}/jobs/{job_name}/children", "Get_experiment_job_children")
        .with("include_status?:boolean=false")
        .giving("object"),
    get("/v4/runners/configuration/ssh-public-keys", "Get_SSH_public_keys_of_the_API").giving("[string]"),
    get("/v4/runners/configuration/profiles", "Get_runner_configuration_profiles").giving("object"),
    get("/v4/runners/configuration/endpoints", "Get_runner_configuration_endpoints").giving("object"),
    post("/v4/runners/command/set-job-status", "Set_job_status_for_an_experiment")
        .taking("#autosubmit_api__routers__v4__runners__SetJobStatusBody")
        .giving("object"),
    post("/v4/runners/command/run-experiment", "Run_an_experiment").taking("#RunExperimentBody").giving("object"),
    post("/v4/runners/command/get-runner-run-status", "Get_runner_run_status_for_an_experiment")
        .taking("#GetRunnerRunStatusBody")
        .giving("object"),
    post("/v4/runners/command/stop-experiment", "Stop_an_experiment").taking("#StopExperimentBody").giving("object"),
    post("/v4/runners/command/create-experiment", "Create_an_experiment")
        .taking("#autosubmit_api__routers__v4__runners__CreateExperimentBody")
        .giving("object"),
    post("/v4/runners/command/update-experiment-description", "Update_experiment_description")
        .taking("#UpdateExperimentBody")
        .giving("object"),
    get("/v4/user-settings/preferred-username", "Get_preferred_username_for_authenticated_user")
        .giving("#PreferredUsernameResponse"),
    post("/v4/user-settings/preferred-username", "Register_preferred_username_from_authenticated_user")
        .taking("#PreferredUsernameRequest")
        .giving("#PreferredUsernameResponse"),
    get("/v3/cconfig/{expid}", "Get_Experiment_Configuration").giving("object"),
    get("/v3/expinfo/{expid}", "Get_Experiment_Information").giving("object"),
    get("/v3/expcount/{expid}", "Get_Experiment_Counters").giving("object"),
    get("/v3/searchowner/{owner}", "Search_Owner").giving("object"),
    get("/v3/search/{expid}", "Search_Experiment_by_expid").giving("object"),
    get("/v3/search/{expid}/{exptype}/{onlyactive}", "Search_Experiment_by_expid__type_and_active_status")
        .giving("object"),
    get("/v3/running/", "Search_Running_Experiments").giving("object"),
    get("/v3/runs/{expid}", "Get_Experiment_Runs").giving("object"),
    get("/v3/ifrun/{expid}", "Check_if_Experiment_is_Running").giving("object"),
    get("/v3/logrun/{expid}", "Get_Experiment_running_status_and_log_path").giving("object"),
    get("/v3/summary/{expid}", "Get_Experiment_Summary").with("loggedUser?:string=\"null\"").giving("object"),
    get("/v3/shutdown/{route}", "Shutdown_Experiment_processes")
        .with("loggedUser?:string=\"null\" expid?:string=\"null\""),
    get("/v3/performance/{expid}", "Get_Experiment_Performance").giving("object"),
    get("/v3/graph/{expid}/{layout}/{grouped}", "Get_Experiment_Graph")
        .with("{layout}:standard/laplacian {grouped}:none/status/date-member loggedUser?:string=\"null\"")
        .giving("object"),
    get("/v3/tree/{expid}", "Get_Experiment_Tree").with("loggedUser?:string=\"null\"").giving("object"),
    get("/v3/quick/{expid}", "Get_Quick_View_Data").giving("object"),
    get("/v3/exprun/{expid}", "Get_Experiment_Run_Log").giving("object"),
    get("/v3/exp-recovery-logs/{expid}", "Get_Experiment_Recovery_Logs").giving("object"),
    get("/v3/joblog/{logfile}", "Get_Job_Log_from_Path").giving("object"),
    get("/v3/pklinfo/{expid}/{timeStamp}", "Get_Experiment_Pickle_Info_for_Graph_View").giving("object"),
    get("/v3/pkltreeinfo/{expid}/{timeStamp}", "Get_Experiment_Pickle_Info_for_Tree_View").giving("object"),
    get("/v3/stats/{expid}/{filter_period}/{filter_type}", "Get_Experiment_Statistics").giving("object"),
    get("/v3/history/{expid}/{jobname}", "Get_Experiment_Job_History").giving("object"),
    get("/v3/rundetail/{expid}/{runid}", "Get_Experiment_Run_Job_Detail").giving("object"),
    get("/v3/filestatus", "_UNSUPPORTED__Get_File_Status").giving("object"),
    get("/v3/tokentest", "Test_JWT_token").giving("object"),
    post("/v3/tokentest", "Test_JWT_token").giving("object"),
    get("/v3/login", "CAS_Login").with("ticket?:string|null env?:string|null").giving("#LoginResponse"),
    get("/v4alpha/runner-detail", "Get_runner_detail")
        .with(
            "runner:#RunnerType module_loader:#ModuleLoaderType modules?:string|[string]|null \
         runner_extra_params?:#GetRunnerExtraParamsBody|null",
        )
        .taking("#GetRunnerExtraParamsBody?"),
    post("/v4alpha/experiments/{expid}/run-experiment", "Run_experiment").taking("#GetRunnerBody"),
    post("/v4alpha/experiments/{expid}/stop-experiment", "Stop_experiment"),
    get("/v4alpha/experiments/{expid}/get-runner-status", "Get_experiment_s_runner_status"),
    post("/v4alpha/experiments/{expid}/create-job-list", "Create_job_list").taking("#CreateJobListBody"),
    post("/v4alpha/runner-create-experiment", "Create_experiment")
        .taking("#autosubmit_api__routers__v4alpha__CreateExperimentBody"),
    post("/v4alpha/experiments/{expid}/set-job-status", "Set_job_status")
        .taking("#autosubmit_api__routers__v4alpha__SetJobStatusBody"),
];

/// The types that they name, with their fields or values.
pub(super) const TYPES: &[(&str, &str)] = &[
    ("Problem", "error:boolean error_message:string"),
    ("AuthResponse", "authenticated:boolean user:string|null"),
    ("BaseExperimentModel", "id:integer name:string description:string autosubmit_version?:string|null"),
    ("BaseExperimentRun", "run_id:integer start:string|null finish:string|null"),
    ("BaseExperimentWrapper", "wrapper_name:string job_names:[string]"),
    (
        "CreateExperimentCmdParams",
        "description?:string|null git_repo?:string|null git_branch?:string|null \
         minimal?:boolean=false config_path?:string|null hpc?:string|null \
         use_local_minimal?:boolean=false operational?:boolean=false testcase?:boolean=false \
         copy?:string|null",
    ),
    (
        "CreateJobListBody",
        "runner:#RunnerType module_loader:#ModuleLoaderType modules?:string|[string]|null \
         runner_extra_params?:#GetRunnerExtraParamsBody|null check_wrapper?:boolean|null \
         update_version?:boolean|null force?:boolean|null",
    ),
    (
        "ExperimentEtaResponse",
        "eta_seconds:number|null chunks_total:integer|null chunks_remaining:integer|null \
         avg_runtime_per_chunk_seconds:number|null",
    ),
    ("ExperimentFSConfigResponse", "config:object"),
    (
        "ExperimentJobItem",
        "name:string status:string priority?:integer|null section?:string|null date?:string|null \
         member?:string|null chunk?:integer|null split?:integer|null splits?:integer|null \
         out_path_local?:string|null err_path_local?:string|null out_path_remote?:string|null \
         err_path_remote?:string|null",
    ),
    ("ExperimentJobsResponse", "jobs:[#ExperimentJobItem] pagination:#PaginationInfo"),
    ("ExperimentRunConfigResponse", "run_id:integer|null config:object"),
    ("ExperimentRunsResponse", "runs:[#BaseExperimentRun]"),
    (
        "ExperimentSearchItem",
        "id:integer name:string user:string|null description:string|null hpc:string|null \
         version:string|null created:string|null modified:string|null status:string|null \
         completed:integer|null total:integer|null submitted:integer|null queuing:integer|null \
         running:integer|null failed:integer|null suspended:integer|null",
    ),
    ("ExperimentWrappersResponse", "wrappers:[#BaseExperimentWrapper]"),
    ("ExperimentsSearchResponse", "experiments:[#ExperimentSearchItem] pagination:#PaginationInfo"),
    (
        "GetRunnerBody",
        "runner:#RunnerType module_loader:#ModuleLoaderType modules?:string|[string]|null \
         runner_extra_params?:#GetRunnerExtraParamsBody|null",
    ),
    ("GetRunnerExtraParamsBody", "ssh_host?:string|null ssh_user?:string|null ssh_port?:integer|null=22"),
    ("GetRunnerRunStatusBody", "expid:string"),
    (
        "JobDetailResponse",
        "name:string status:string section?:string|null date?:string|null member?:string|null \
         chunk?:integer|null split?:integer|null splits?:integer|null out_path_local?:string|null \
         err_path_local?:string|null chunk_size?:integer|null chunk_unit?:string|null \
         platform?:string|null remote_id?:integer|null qos?:string|null workflow_commit?:string|null \
         processors?:integer|null submit?:string|null start?:string|null finish?:string|null \
         wallclock?:string|null last_wrapper?:string|null",
    ),
    ("LoginResponse", "authenticated:boolean user:string|null token:string|null message:string|null"),
    ("ModuleLoaderType", "CONDA/LMOD/VENV/NO_MODULE"),
    (
        "PaginationInfo",
        "page?:integer>=1=1 page_size:integer|null total_pages?:integer>=0=1 page_items:integer>=0 \
         total_items:integer>=0",
    ),
    ("PreferredUsernameRequest", "preferred_username:string>=1"),
    ("PreferredUsernameResponse", "user_id:string preferred_username:string created:string modified:string"),
    ("RouteInfo", "path:string methods:[string]"),
    ("RoutesResponse", "routes:[#RouteInfo]"),
    ("RunExperimentBody", "profile_name:string profile_params?:object|null command_params?:object|null expid:string"),
    ("RunnerType", "LOCAL/SSH"),
    (
        "SetJobStatusCmdParams",
        "job_names_list?:[string]|null final_status?:string|null filter_chunks?:string|null \
         filter_status?:string|null filter_type?:string|null filter_type_chunk?:string|null \
         filter_type_chunk_split?:string|null check_wrapper?:boolean=false \
         update_version?:boolean=false",
    ),
    ("StopExperimentBody", "expid:string"),
    (
        "UpdateExperimentBody",
        "profile_name:string profile_params?:object|null command_params?:object|null expid:string \
         description:string",
    ),
    (
        "autosubmit_api__routers__v4__runners__CreateExperimentBody",
        "profile_name:string profile_params?:object|null command_params:#CreateExperimentCmdParams",
    ),
    (
        "autosubmit_api__routers__v4__runners__SetJobStatusBody",
        "profile_name:string profile_params?:object|null command_params:#SetJobStatusCmdParams \
         expid:string",
    ),
    (
        "autosubmit_api__routers__v4alpha__CreateExperimentBody",
        "runner:#RunnerType module_loader:#ModuleLoaderType modules?:string|[string]|null \
         runner_extra_params?:#GetRunnerExtraParamsBody|null description:string git_repo?:string|null \
         git_branch?:string|null minimal?:boolean=false config_path?:string|null hpc?:string|null \
         use_local_minimal?:boolean=false operational?:boolean=false testcase?:boolean=false",
    ),
    (
        "autosubmit_api__routers__v4alpha__SetJobStatusBody",
        "runner:#RunnerType module_loader:#ModuleLoaderType modules?:string|[string]|null \
         runner_extra_params?:#GetRunnerExtraParamsBody|null job_names_list?:[string]|null \
         final_status?:string|null filter_chunks?:string|null filter_status?:string|null \
         filter_type?:string|null filter_type_chunk?:string|null filter_type_chunk_split?:string|null \
         check_wrapper?:boolean=false update_version?:boolean=false",
    ),
];
