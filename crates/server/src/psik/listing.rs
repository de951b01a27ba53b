//! Listings that many clients poll: rendered once for each change, then shared.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::http::HeaderValue;
use jobgate_engine::{Engine, ListQuery};
use jobgate_model::{Error, Principal, Role};
use tokio::sync::OnceCell;

use super::convert::step_of_row;
use crate::app::App;

/// For whom, and what: everything about a principal that decides what it sees.
type Key = (String, Role, Option<BTreeSet<String>>, ListQuery);

/// A listing as it goes over the wire. Both dialects show the same.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    pub(super) body: Bytes,
    pub(super) etag: HeaderValue,
}

/// Rendered listings of one revision of the store.
pub(crate) struct Listings {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    revision: u64,
    bytes: usize,
    listings: HashMap<Key, Arc<OnceCell<Rendered>>>,
}

impl fmt::Debug for Listings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listings").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Listings {
    /// Keeps at most so many bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }

    /// The cell of a listing. All that were rendered before the store changed are dropped.
    fn cell(&self, revision: u64, key: Key) -> Arc<OnceCell<Rendered>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.revision != revision || kept.bytes > self.capacity {
            *kept = Kept { revision, ..Kept::default() };
        }
        Arc::clone(kept.listings.entry(key).or_default())
    }

    fn grew(&self, revision: u64, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.revision == revision {
            kept.bytes += bytes;
        }
    }
}

/// The listing as of now. Clients that ask for the same one at the same time wait for one rendering.
pub(super) async fn list(app: &Arc<App>, who: Principal, query: ListQuery) -> Result<Rendered, Error> {
    // The revision is taken first: a change during the rendering makes the next request render again.
    let revision = app.ask(Engine::revision).await?;
    let key = (who.name.clone(), who.role, who.backends.clone(), query.clone());
    let cell = app.listings.cell(revision, key);
    let render = || async {
        let rendered = app.ask(move |engine| render(engine, &who, &query)).await?;
        app.listings.grew(revision, rendered.body.len());
        Ok(rendered)
    };
    cell.get_or_try_init(render).await.cloned()
}

fn render(engine: &Engine, who: &Principal, query: &ListQuery) -> Result<Rendered, Error> {
    let mut body = vec![b'['];
    let mut written = Ok(());
    engine.list(who, query, &mut |row| {
        if body.len() > 1 {
            body.push(b',');
        }
        if written.is_ok() {
            written = serde_json::to_writer(&mut body, &step_of_row(&row));
        }
    })?;
    written.map_err(|error| Error::internal("cannot render the listing", error))?;
    body.push(b']');
    let digest = digest(&SHA256, &body);
    let head = digest.as_ref().first_chunk().expect("invariant: SHA-256 has 32 bytes");
    let etag = format!("\"{:032x}\"", u128::from_be_bytes(*head));
    let etag = HeaderValue::from_str(&etag).expect("invariant: hexadecimal digits");
    Ok(Rendered { body: body.into(), etag })
}
