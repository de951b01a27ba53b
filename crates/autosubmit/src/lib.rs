//! What the workflow manager Autosubmit leaves on disk: its `autosubmitrc`, databases, pickles, configurations and logs, of the
//! versions 3.13 to 4.2, and what can be told from them. Also what the original API writes beside them ([`workers`],
//! [`runners`]). Knows nothing of Jobgate or of HTTP, and starts no program: that is a [`machine::Machine`]'s.

pub mod basis;
pub mod calendar;
pub mod config;
pub mod databases;
pub mod expid;
pub mod ini;
pub mod jobs;
pub mod kept;
pub mod logs;
pub mod machine;
pub mod pickle;
pub mod rc;
mod reach;
pub mod runners;
pub mod site;
pub mod status;
pub mod store;
pub mod texts;
pub mod totals;
pub mod views;
pub mod workers;
pub mod yaml;
