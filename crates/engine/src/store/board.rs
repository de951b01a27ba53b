//! The jobs of a gateway in memory, as listings show them.
//!
//! A long-lived process that lists often keeps the rows that listings show and refreshes only those that had an event since.
//! Whatever changes a listing is an event, or counts as a removal; after a removal everything is read again. Shares are few,
//! and are read again whenever one of them changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jobgate_model::{JobNdx, State};
use rusqlite::{Connection, params_from_iter};

use super::jobs::{self, Counters};
use super::shares::{self, SharedJobs, Visible};
use crate::types::{JobRow, ListQuery, Order};

/// More jobs than this are not kept: their listings are pages, which SQLite finds as fast.
const MOST: usize = 200_000;

/// The rows of some prefixes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Board {
    prefixes: Vec<PathBuf>,
    rows: Vec<BoardRow>,
    places: HashMap<i64, usize>,
    shared: SharedJobs,
    /// What is taken in.
    seen: Option<Counters>,
    /// There are too many jobs, at least until some are removed.
    too_many: bool,
}

#[derive(Debug)]
struct BoardRow {
    key: i64,
    number: f64,
    jobid: Box<str>,
    name: Option<Box<str>>,
    owner: Box<str>,
    backend: Box<str>,
    info: Box<str>,
    updated: f64,
    jobndx: JobNdx,
    state: State,
}

impl Board {
    /// Brings the board up to date; `false`: there are too many jobs for it.
    pub(crate) fn refresh(&mut self, connection: &Connection, prefixes: &[&Path]) -> rusqlite::Result<bool> {
        let now = jobs::counters(connection)?;
        let same = self.prefixes.iter().map(PathBuf::as_path).eq(prefixes.iter().copied());
        match self.seen {
            Some(seen) if same && seen.removals == now.removals => {
                if !self.too_many && seen.events != now.events {
                    self.take_changes(connection, seen.events)?;
                }
                if !self.too_many && seen.shares != now.shares {
                    self.shared = shares::all(connection)?;
                }
            }
            _ => {
                *self = Self { prefixes: prefixes.iter().map(|path| (*path).to_owned()).collect(), ..Self::default() };
                self.too_many = jobs::count_at_most(connection, prefixes, MOST + 1)? > MOST;
                if !self.too_many {
                    self.read_all(connection)?;
                    self.shared = shares::all(connection)?;
                }
            }
        }
        if self.rows.len() > MOST {
            (self.rows, self.places, self.too_many) = (Vec::new(), HashMap::new(), true);
        }
        self.seen = Some(now);
        Ok(!self.too_many)
    }

    /// Walks a listing.
    pub(crate) fn list(&self, query: &ListQuery, visible: Visible<'_>, each: &mut dyn FnMut(JobRow<'_>)) {
        let shared = visible.user.and_then(|user| self.shared.get(user));
        let wanted = |row: &&BoardRow| {
            query.state.is_none_or(|state| state == row.state)
                && query.backend.as_deref().is_none_or(|backend| *backend == *row.backend)
                && visible.backends.is_none_or(|backends| backends.contains(&*row.backend))
                && visible
                    .user
                    .is_none_or(|user| *user == *row.owner || shared.is_some_and(|shared| shared.contains(&row.key)))
        };
        let index = usize::try_from(query.index).unwrap_or(usize::MAX);
        let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut show = |row: &BoardRow| {
            each(JobRow {
                jobid: &row.jobid,
                name: row.name.as_deref(),
                updated: row.updated,
                jobndx: row.jobndx,
                state: row.state,
                info: &row.info,
                owner: &row.owner,
                backend: &row.backend,
            });
        };
        match query.order {
            Order::Newest => self.rows.iter().rev().filter(wanted).skip(index).take(limit).for_each(&mut show),
            Order::Oldest => self.rows.iter().filter(wanted).skip(index).take(limit).for_each(&mut show),
        }
    }

    fn read_all(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.rows = self.read(connection, "ORDER BY number, key", &[])?;
        self.places = self.rows.iter().enumerate().map(|(place, row)| (row.key, place)).collect();
        Ok(())
    }

    fn take_changes(&mut self, connection: &Connection, since: i64) -> rusqlite::Result<()> {
        let mut in_order = true;
        for row in self.read(connection, "AND key IN (SELECT job FROM event WHERE seq > ?)", &[since])? {
            if let Some(place) = self.places.get(&row.key) {
                self.rows[*place] = row;
                continue;
            }
            let after = |last: &BoardRow| (last.number, last.key) <= (row.number, row.key);
            in_order &= self.rows.last().is_none_or(after);
            self.places.insert(row.key, self.rows.len());
            self.rows.push(row);
        }
        if !in_order {
            self.rows.sort_by(|a, b| a.number.total_cmp(&b.number).then(a.key.cmp(&b.key)));
            self.places = self.rows.iter().enumerate().map(|(place, row)| (row.key, place)).collect();
        }
        Ok(())
    }

    fn read(&self, connection: &Connection, rest: &str, since: &[i64]) -> rusqlite::Result<Vec<BoardRow>> {
        let prefixes: Vec<&Path> = self.prefixes.iter().map(PathBuf::as_path).collect();
        let sql = format!(
            "SELECT key, number, jobid, name, owner, backend, info, updated, jobndx, state FROM job WHERE {} {rest}",
            jobs::AMONG
        );
        let values = std::iter::once(rusqlite::types::Value::from(jobs::paths(&prefixes)))
            .chain(since.iter().map(|seq| rusqlite::types::Value::from(*seq)));
        let text = |row: &rusqlite::Row<'_>, column| -> rusqlite::Result<Box<str>> {
            Ok(row.get_ref(column)?.as_str()?.into())
        };
        connection
            .prepare_cached(&sql)?
            .query_map(params_from_iter(values), |row| {
                Ok(BoardRow {
                    key: row.get(0)?,
                    number: row.get(1)?,
                    jobid: text(row, 2)?,
                    name: row.get_ref(3)?.as_str_or_null()?.map(Into::into),
                    owner: text(row, 4)?,
                    backend: text(row, 5)?,
                    info: text(row, 6)?,
                    updated: row.get(7)?,
                    jobndx: row.get(8)?,
                    state: jobs::state(row.get(9)?),
                })
            })?
            .collect()
    }
}
