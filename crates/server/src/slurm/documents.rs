//! The API's description of itself, made once for each set of versions.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jobgate_slurm::openapi::{Manner, document_of};
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::version::Version;

/// Documents that were made.
#[derive(Debug)]
pub(super) struct Documents {
    /// The base URL that clients are to use.
    url: String,
    made: Mutex<HashMap<Of, Bytes>>,
}

/// Which versions it describes, and how.
type Of = (Vec<Version>, Manner);

impl Documents {
    /// Of a dialect whose paths begin with `base`.
    pub(super) fn below(base: &str) -> Self {
        Self { url: format!("{base}/"), made: Mutex::default() }
    }

    /// The document of these versions, as JSON.
    pub(super) fn of(&self, versions: &[Version], plugins: &[Plugin], manner: Manner) -> Bytes {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let mut document = document_of(versions, plugins, manner);
            document["servers"][0]["url"] = self.url.as_str().into();
            Bytes::from(document.to_string())
        };
        made.entry((versions.to_vec(), manner)).or_insert_with(make).clone()
    }
}
