//! What the routes answer: a file for each subject.

pub(super) mod configuration;
pub(super) mod details;
pub(super) mod experiments;
pub(super) mod graph;
pub(super) mod history;
pub(super) mod jobs;
pub(super) mod login;
pub(super) mod logs;
pub(super) mod root;
pub(super) mod runners;
pub(super) mod runs;
pub(super) mod search;
pub(super) mod settings;
pub(super) mod statistics;
pub(super) mod summary;
pub(super) mod tree;
