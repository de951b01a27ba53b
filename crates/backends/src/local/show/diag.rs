//! Counters.

use jobgate_slurm::objects::{BfExitFields, Diag, ScheduleExitFields};

use super::super::cluster::Counters;
use super::job::{int, time};

/// What the scheduler has done. Requests are counted by who answers them.
pub(super) fn diag(counters: &Counters, now: f64) -> Diag {
    let mean = |sum: u64, count: u64| sum.checked_div(count).unwrap_or(0).cast_signed();
    let minutes = ((now - counters.since) / 60.0).floor().max(0.0) as u64;
    let cycles = counters.backfill_cycles;
    Diag {
        req_time: Some(time(now)),
        req_time_start: Some(time(counters.since)),
        server_thread_count: Some(1),
        schedule_cycle_max: Some(int(counters.cycle_max)),
        schedule_cycle_last: Some(int(counters.cycle_last)),
        schedule_cycle_sum: Some(counters.cycle_sum.cast_signed()),
        schedule_cycle_total: Some(int(counters.cycles)),
        schedule_cycle_mean: Some(mean(counters.cycle_sum, counters.cycles)),
        schedule_cycle_mean_depth: Some(mean(counters.depth_sum, counters.cycles)),
        schedule_cycle_per_minute: Some(mean(counters.cycles, minutes.max(1))),
        schedule_cycle_depth: Some(int(counters.depth_sum)),
        schedule_exit: Some(ScheduleExitFields {
            end_job_queue: Some(int(counters.cycles)),
            ..ScheduleExitFields::default()
        }),
        schedule_queue_length: Some(int(counters.depth_last)),
        jobs_submitted: Some(int(counters.submitted)),
        jobs_started: Some(int(counters.started)),
        jobs_completed: Some(int(counters.completed)),
        jobs_canceled: Some(int(counters.canceled)),
        jobs_failed: Some(int(counters.failed)),
        jobs_pending: Some(int(counters.waiting)),
        jobs_running: Some(int(counters.running)),
        job_states_ts: Some(time(now)),
        bf_backfilled_jobs: Some(int(counters.backfilled)),
        bf_last_backfilled_jobs: Some(int(counters.backfilled_last)),
        bf_cycle_counter: Some(int(cycles)),
        // Filling in is a part of each cycle, and has no times of its own.
        bf_cycle_mean: Some(if cycles > 0 { mean(counters.cycle_sum, counters.cycles) } else { 0 }),
        bf_cycle_last: Some(if cycles > 0 { int(counters.cycle_last) } else { 0 }),
        bf_cycle_max: Some(if cycles > 0 { int(counters.cycle_max) } else { 0 }),
        bf_exit: Some(BfExitFields { end_job_queue: Some(int(cycles)), ..BfExitFields::default() }),
        bf_last_depth: Some(if cycles > 0 { int(counters.depth_last) } else { 0 }),
        bf_last_depth_try: Some(if cycles > 0 { int(counters.depth_last) } else { 0 }),
        bf_queue_len: Some(int(counters.waiting)),
        bf_when_last_cycle: Some(time(if cycles > 0 { counters.last_cycle } else { 0.0 })),
        bf_active: Some(false),
        ..Diag::default()
    }
}
