//! What an accounting database packs, field by field, in the order of the wire.

use super::super::codec::{Bits, Text, layout};
use super::super::records::StepId;

layout! {
    /// A result.
    Outcome<'a> {
        words: Text<'a>;
        flags: u16;
        errno: u32;
        about: u16;
    }

    /// A job.
    Job<'a> {
        account: Text<'a>;
        comment_administrator: Text<'a>;
        allocated_nodes: u32;
        array_id: u32;
        array_limit: u32;
        array_task: u32;
        array_tasks: Text<'a>;
        association: u32;
        block: Text<'a>;
        cluster: Text<'a>;
        constraints: Text<'a>;
        container: Text<'a>;
        index: u64;
        derived_exit_code: u32;
        comment: Text<'a>;
        elapsed: u32;
        eligible: u64;
        end: u64;
        environment: Text<'a>;
        exclusive: Text<'a> => since(V26_05);
        exit_code: u32;
        extra: Text<'a>;
        failed_node: Text<'a>;
        flags: u32;
        group: u32;
        number: u32;
        name: Text<'a>;
        licenses: Text<'a>;
        lineage: Text<'a>;
        mcs_label: Text<'a>;
        nodes: Text<'a>;
        het_id: u32;
        het_offset: u32;
        oversubscribe: Text<'a> => since(V26_05);
        partition: Text<'a>;
        priority: u32;
        qos: u32;
        qos_requested: Text<'a>;
        required_cpus: u32;
        required_memory: u64;
        killed_by: u32;
        restarts: u16;
        reservation: Text<'a>;
        reservation_id: u32;
        reservation_requested: Text<'a> => since(V25_11);
        script: Text<'a>;
        original: u64 => since(V26_05);
        shown_full: u32;
        start: u64;
        state: u32;
        reason: u32;
        steps: Vec<Step<'a>>;
        segment_size: u16 => since(V25_11);
        standard_error: Text<'a>;
        standard_input: Text<'a>;
        standard_output: Text<'a>;
        submitted: u64;
        submit_line: Text<'a>;
        suspended: u32;
        comment_system: Text<'a>;
        system: LongTime;
        time_limit: u32;
        total: LongTime;
        tres_allocated: Text<'a>;
        tres_requested: Text<'a>;
        user_id: u32;
        login: Text<'a>;
        user: LongTime;
        wckey: Text<'a>;
        wckey_id: u32;
        directory: Text<'a>;
    }

    /// Time of CPUs.
    LongTime {
        seconds: u64;
        microseconds: u64;
    }

    /// The same of a step.
    ShortTime {
        seconds: u64;
        microseconds: u32;
    }

    /// A step of a job.
    Step<'a> {
        container: Text<'a>;
        elapsed: u32;
        end: u64;
        exit_code: u32;
        node_count: u32;
        nodes: Text<'a>;
        tasks: u32;
        frequency_min: u32;
        frequency_max: u32;
        governor: u32;
        killed_by: u32;
        usage: Usage<'a>;
        start: u64;
        state: u16;
        id: StepId;
        name: Text<'a>;
        directory: Text<'a> => since(V25_11);
        standard_error: Text<'a> => since(V25_11);
        standard_input: Text<'a> => since(V25_11);
        standard_output: Text<'a> => since(V25_11);
        submit_line: Text<'a>;
        suspended: u32;
        system: ShortTime;
        distribution: u32;
        time_limit: u32 => since(V25_11);
        total: ShortTime;
        tres_allocated: Text<'a>;
        user: ShortTime;
    }

    /// What a step has used.
    Usage<'a> {
        frequency: f64;
        energy: u64;
        taken_average: Text<'a>;
        taken_max: Extreme<'a>;
        taken_min: Extreme<'a>;
        taken_total: Text<'a>;
        given_average: Text<'a>;
        given_max: Extreme<'a>;
        given_min: Extreme<'a>;
        given_total: Text<'a>;
    }

    /// The greatest or the least use of resources, on which node and by which task.
    Extreme<'a> {
        amounts: Text<'a>;
        nodes: Text<'a>;
        tasks: Text<'a>;
    }

    /// A trackable resource.
    Tres<'a> {
        allocated: u64;
        count: u64;
        id: u32;
        name: Text<'a>;
        kind: Text<'a>;
    }

    /// What was used in a time.
    Accounting<'a> {
        allocated: u64;
        tres: Tres<'a>;
        id: u32;
        id_alt: u32;
        start: u64;
    }

    /// An association.
    Association<'a> {
        accounting: Option<Vec<Accounting<'a>>>;
        account: Text<'a>;
        cluster: Text<'a>;
        comment: Text<'a>;
        default_qos: u32;
        flags: u32;
        shares: u32;
        group_minutes: Text<'a>;
        group_running_minutes: Text<'a>;
        group_tres: Text<'a>;
        group_jobs: u32;
        group_accruing: u32;
        group_submitted: u32;
        group_wall: u32;
        id: u32;
        is_default: u16;
        lineage: Text<'a>;
        minutes_per_job: Text<'a>;
        running_minutes: Text<'a>;
        tres_per_job: Text<'a>;
        tres_per_node: Text<'a>;
        jobs: u32;
        accruing: u32;
        least_priority: u32;
        submitted: u32;
        wall_per_job: u32;
        parent: Text<'a>;
        parent_id: u32;
        partition: Text<'a>;
        priority: u32;
        qos: Option<Vec<Text<'a>>>;
        user_id: u32;
        user: Text<'a>;
    }

    /// A quality of service.
    Qos<'a> {
        description: Text<'a>;
        id: u32;
        flags: u32;
        grace: u32;
        group_minutes: Text<'a>;
        group_running_minutes: Text<'a>;
        group_tres: Text<'a>;
        group_jobs: u32;
        group_accruing: u32;
        group_submitted: u32;
        group_wall: u32;
        minutes_per_job: Text<'a>;
        running_minutes_per_account: Text<'a>;
        running_minutes_per_user: Text<'a>;
        tres_per_account: Text<'a>;
        tres_per_job: Text<'a>;
        tres_per_node: Text<'a>;
        tres_per_user: Text<'a>;
        jobs_per_account: u32;
        jobs_per_user: u32;
        accruing_per_account: u32;
        accruing_per_user: u32;
        least_priority: u32;
        submitted_per_account: u32;
        submitted_per_user: u32;
        wall_per_job: u32;
        least_tres_per_job: Text<'a>;
        name: Text<'a>;
        preempted: Bits<'a>;
        preempted_names: Option<Vec<Text<'a>>>;
        preempt_mode: u16;
        exempt: u32;
        priority: u32;
        usage_factor: f64;
        usage_threshold: f64;
        limit_factor: f64;
    }
}
