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

/// What a listing takes besides its text and the words by which it is found, in bytes.
const CELL: usize = 512;

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
        if let Some(cell) = kept.listings.get(&key) {
            return Arc::clone(cell);
        }
        // an empty listing takes something, too, and anybody can ask for as many as there are numbers
        kept.bytes += CELL + length(&key);
        Arc::clone(kept.listings.entry(key).or_default())
    }

    fn grew(&self, revision: u64, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.revision == revision {
            kept.bytes += bytes;
        }
    }
}

/// The words by which a listing is found, in bytes.
fn length((name, _, backends, query): &Key) -> usize {
    let backends = backends.iter().flatten().map(|one| one.len() + size_of::<String>()).sum::<usize>();
    let prefix = query.prefix.as_ref().map_or(0, |prefix| prefix.as_os_str().len());
    name.len() + backends + prefix + query.backend.as_ref().map_or(0, String::len)
}

/// The listing as of now. Clients that ask for the same one at the same time wait for one rendering.
pub(super) async fn list(app: &Arc<App>, who: Principal, query: ListQuery) -> Result<Rendered, Error> {
    // Of a backend that is not configured any more there may be jobs, but nobody polls for them; the others are invented.
    if query.backend.as_ref().is_some_and(|name| app.engine.place(name).is_none()) {
        return app.ask(move |engine| render(engine, &who, &query)).await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_takes_room_too() {
        let listings = Listings::new(100 * CELL);
        let key = |index| ("alice".to_owned(), Role::User, None, ListQuery { index, ..ListQuery::default() });
        assert!(Arc::ptr_eq(&listings.cell(7, key(0)), &listings.cell(7, key(0))), "asked for again");
        for index in 0..10_000 {
            listings.cell(7, key(index));
        }
        let kept = listings.kept.lock().unwrap();
        assert!(kept.listings.len() <= 101, "{}", kept.listings.len());
        assert!(length(&key(0)) == 5 && kept.bytes <= 102 * CELL, "{}", kept.bytes);
    }
}
