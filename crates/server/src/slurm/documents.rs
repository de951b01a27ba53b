//! The API's description of itself, made once for each set of versions.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jobgate_slurm::openapi::{Manner, document_of};
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::version::Version;

/// Documents that were made.
#[derive(Debug, Default)]
pub(super) struct Documents(Mutex<HashMap<Of, Bytes>>);

/// Which versions it describes, and how.
type Of = (Vec<Version>, Manner);

impl Documents {
    /// The document of these versions, as JSON.
    pub(super) fn of(&self, versions: &[Version], plugins: &[Plugin], manner: Manner) -> Bytes {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Bytes::from(document_of(versions, plugins, manner).to_string());
        made.entry((versions.to_vec(), manner)).or_insert_with(make).clone()
    }
}
