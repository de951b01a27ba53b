//! The words of Jobgate as types: jobs, specs, states, transitions, backends, errors.
//!
//! This crate does no IO, reads no clock and spawns nothing; it compiles without an async runtime. Every other crate
//! speaks in these types, so a word means the same thing in the command line, a dialect, the engine and a backend.

mod backend;
mod ending;
mod error;
mod id;
mod parse;
mod principal;
mod spec;
mod state;
mod transition;

pub use backend::{
    Backend, Cancel, DESCRIBED, Evidence, NativeId, Phase, Remark, RunRef, RunRequest, Sighting, Submission, Tasks,
    Tell, Untold,
};
pub use ending::Ending;
pub use error::{Error, ErrorKind};
pub use id::{JobId, JobNdx};
pub use parse::{
    Generation, Loc, Violation, lax_int, parse_backend_config, parse_spec, parse_state_name, query_bool, query_int,
};
pub use principal::{Access, Established, LOCAL, Principal, Role, is_user_name};
pub use spec::{BackendConfig, JobSpec, ResourceSpec, StringMap};
pub use state::{Move, State};
pub use transition::{Transition, clean_info};
