//! Everything that Slurm says: its objects in the API versions v0.0.40 to v0.0.45, its small languages (hostlists, TRES,
//! times, dependencies, arrays, `#SBATCH` lines), its numbers and its tokens. Knows nothing of Jobgate.

pub mod array;
pub mod books;
pub mod cluster;
pub mod dependency;
pub mod errno;
mod excerpt;
pub mod filename;
pub mod hostlist;
pub mod jwt;
pub mod ledger;
pub mod objects;
pub mod openapi;
pub mod operations;
pub mod restd;
pub mod rpc;
pub mod sbatch;
pub mod signal;
pub mod site;
pub mod table;
pub mod time;
pub mod tres;
mod turns;
pub mod version;
