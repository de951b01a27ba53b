//! The dialects of psik_api 1 (`/v1`) and psik_api 2 (`/v2`).
//!
//! They share their routes; where they differ a handler asks its [`Dialect`]. What their clients depend on (paths, status
//! codes, `detail` texts) is kept, what is broken in the originals is not.

mod body;
mod convert;
pub(crate) mod error;
mod listing;
mod model;
pub(crate) mod openapi;
mod request;
pub(crate) mod routes;

use std::sync::Arc;

use axum::extract::FromRef;
use jobgate_model::Generation;

use crate::app::App;

pub(crate) use listing::Listings;

/// Which psik_api a client was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// psik_api 1: one prefix per backend, `?backend=` chooses.
    V1,
    /// psik_api 2: a backend is a name in the spec.
    V2,
}

impl Dialect {
    pub(crate) const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// Where it is mounted.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::V1 => "/v1",
            Self::V2 => "/v2",
        }
    }

    fn generation(self) -> Generation {
        match self {
            Self::V1 => Generation::V1,
            Self::V2 => Generation::V2,
        }
    }
}

/// What the handlers of a dialect work with.
#[derive(Debug, Clone)]
pub(crate) struct Psik {
    pub(crate) app: Arc<App>,
    pub(crate) dialect: Dialect,
}

impl FromRef<Psik> for Arc<App> {
    fn from_ref(psik: &Psik) -> Self {
        Self::clone(&psik.app)
    }
}
