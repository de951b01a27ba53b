//! Nodes, licences and the controller itself.

use super::answers::{ErrorEntry, Meta, WarningEntry};
use super::words;
use crate::table::{EmptyObject, Flags, Num, Time, object};

object! {
    /// A node.
    Node = "node" {
        architecture: String;
        burstbuffer_network_address: String;
        boards: i32;
        boot_time: Time;
        tls_cert_last_renewal: Time => since(43);
        cert_flags: Flags<words::CertFlags> => since(43);
        cluster_name: String;
        cores: i32;
        specialized_cores: i32;
        cpu_binding: i32;
        cpu_load: i32;
        free_mem: Num<u64>;
        cpus: i32;
        effective_cpus: i32;
        specialized_cpus: String;
        energy: AcctGatherEnergy;
        extra: String;
        features: Vec<String> => named("csv_string");
        active_features: Vec<String> => named("csv_string");
        gpu_spec: String => since(41);
        gres: String;
        gres_drained: String;
        gres_used: String;
        instance_id: String;
        instance_type: String;
        last_busy: Time;
        mcs_label: String;
        specialized_memory: i64;
        name: String;
        next_state_after_reboot: Flags<words::NodeState>;
        address: String;
        hostname: String;
        state: Flags<words::NodeState>;
        operating_system: String;
        owner: String;
        partitions: Vec<String> => named("csv_string");
        port: i32;
        real_memory: i64;
        res_cores_per_gpu: i32 => since(41);
        comment: String;
        reason: String;
        reason_changed_at: Time;
        reason_set_by_user: String;
        resume_after: Time;
        reservation: String;
        suspend_time: Num<u32> => since(45);
        alloc_memory: i64;
        alloc_cpus: i32;
        alloc_idle_cpus: i32;
        tres_used: String;
        slurmd_start_time: Time;
        sockets: i32;
        threads: i32;
        temporary_disk: i32;
        weight: i32;
        topology: String => since(43);
        tres: String;
        version: String;
        external_sensors: EmptyObject => since(41) until(44) deprecated(40, 45) undescribed(40, 45);
        external_sensors_old: EmptyObject = "external_sensors" => until(40) named("ext_sensors_data") undescribed(40, 45);
        power: EmptyObject => since(41) until(44) deprecated(40, 45) undescribed(40, 45);
        power_old: EmptyObject = "power" => until(40) named("power_mgmt_data") undescribed(40, 45);
        tres_weighted: f64 => until(44) deprecated(41, 45);
    }

    /// `acct_gather_energy` of the API.
    AcctGatherEnergy = "acct_gather_energy" {
        average_watts: i32;
        base_consumed_energy: i64;
        consumed_energy: i64;
        current_watts: Num<u32>;
        previous_consumed_energy: i64;
        last_collected: i64;
    }

    /// What is to change in a node.
    NodeUpdate = "update_node_msg" {
        comment: String;
        cpu_bind: i32;
        extra: String;
        features: Vec<String> => named("csv_string");
        features_act: Vec<String> => named("csv_string");
        gres: String;
        address: Vec<String> => named("hostlist_string");
        hostname: Vec<String> => named("hostlist_string");
        name: Vec<String> => named("hostlist_string");
        state: Flags<words::NodeState>;
        reason: String;
        reason_uid: String => deprecated(42, 45);
        resume_after: Num<u32>;
        topology_str: String => since(43);
        weight: Num<u32>;
    }

    /// `openapi_create_node_req` of the API.
    CreateNodeReq = "openapi_create_node_req" {
        node_conf: String => since(44) required(40, 45);
        meta: Meta => since(44);
        errors: Vec<ErrorEntry> => since(44) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(44) named("openapi_warnings");
    }

    /// `ext_sensors_data` of the API.
    ExtSensorsData = "ext_sensors_data" {

    }

    /// `power_mgmt_data` of the API.
    PowerMgmtData = "power_mgmt_data" {

    }

    /// A licence and how many of it are in use.
    License = "license" {
        license_name: String = "LicenseName";
        total: i32 = "Total";
        used: i32 = "Used";
        free: i32 = "Free";
        remote: bool = "Remote";
        reserved: i32 = "Reserved";
        last_consumed: i32 = "LastConsumed";
        last_deficit: i32 = "LastDeficit";
        last_update: i64 = "LastUpdate";
        nodes: String = "Nodes" => since(44);
    }

    /// How a controller answered.
    ControllerPing = "controller_ping" {
        hostname: String;
        responding: bool => since(42) required(40, 45);
        latency: i64;
        primary: bool => since(42) required(40, 45);
        status: String => since(45);
        pinged: String => until(44) deprecated(42, 45);
        mode: String => until(44) deprecated(42, 45);
    }
}
