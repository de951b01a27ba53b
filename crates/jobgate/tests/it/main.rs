//! End-to-end tests: the real binary, with real parts around it where the machine has them.
//!
//! Every test has a home of its own (configuration, state, prefix), listens on ports that the system chose, waits for
//! conditions with a deadline and cleans up every process it caused. What a machine cannot run is skipped by
//! [`fixture::skip`], which says so at the end of `./test`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says by panicking and on stderr what is wrong")]

mod at;
mod attacks;
mod audit;
mod autosubmit;
mod autosubmit_both;
mod autosubmit_kept;
mod autosubmit_runs;
mod autosubmit_ssh;
mod biscuits;
mod certified;
mod certs;
mod cli;
mod commands;
mod conformance;
mod crash;
mod defects;
mod disks;
mod fixture;
mod fuzz;
mod hostile;
mod house;
mod live_books;
mod live_chaos;
mod live_cluster;
mod live_clusters;
mod live_components;
mod live_differential;
mod live_gateway;
mod live_guides;
mod live_jobs;
mod live_points;
mod live_psik;
mod live_upgrade;
mod logins;
mod outgoing;
mod peers;
mod points;
mod queue;
mod rest;
mod secrets;
mod sharing;
mod slurm_crash;
mod slurm_front;
mod slurm_golden;
mod slurm_guides;
mod slurm_hostile;
mod slurm_jobs;
mod tls;
mod tls_clients;
mod tls_start;
