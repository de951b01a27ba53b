//! The books as text and back: JSON, each object as the newest version of the API shows it.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Books, Next};
use crate::objects::{Account, Association, Cluster, Qos, Tres, User, WcKey};
use crate::table::{Object, Reader, Writer};
use crate::version::Version;

/// What is written.
const FORMAT: u64 = 1;

/// Why a text is no books.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BooksError {
    /// It is not JSON.
    #[error("the accounting books are not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON of another kind, or of a newer version.
    #[error("the accounting books have format {found}, expected {FORMAT}: they were written by a newer version")]
    Format {
        /// What the text says; 0: nothing.
        found: u64,
    },
    /// A part is missing or cannot be read.
    #[error("the accounting books are damaged in {part}: {why}")]
    Part {
        /// Which.
        part: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Books {
    /// Everything as JSON.
    pub fn to_json(&self) -> String {
        let mut out = Writer::with_capacity(Version::V45, 4096);
        let Next { association, qos, wckey, tres } = self.next;
        out.raw(&format!(
            "{{\"format\":{FORMAT},\"next\":{{\"association\":{association},\"qos\":{qos},\"wckey\":{wckey},\"tres\":{tres}}}"
        ));
        out.key("cluster");
        out.text(&self.cluster);
        section(&mut out, "clusters", self.clusters.values());
        section(&mut out, "tres", self.tres.values());
        section(&mut out, "qos", self.qos.values());
        section(&mut out, "accounts", self.accounts.values());
        section(&mut out, "users", self.users.values());
        section(&mut out, "wckeys", self.wckeys.values());
        section(&mut out, "associations", self.associations.values());
        section(&mut out, "instances", self.instances.iter());
        out.raw("}");
        String::from_utf8(out.into_bytes()).expect("invariant: JSON is UTF-8")
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, BooksError> {
        let mut map: Map<String, Value> = serde_json::from_str(text)?;
        let format = map.get("format").and_then(Value::as_u64).unwrap_or(0);
        if format != FORMAT {
            return Err(BooksError::Format { found: format });
        }
        let number = |what: &str| {
            let number = map.get("next").and_then(|next| next.get(what)).and_then(Value::as_i64);
            number.and_then(|number| i32::try_from(number).ok()).ok_or_else(|| damaged("next", format!("no {what}")))
        };
        let next = Next {
            association: number("association")?,
            qos: number("qos")?,
            wckey: number("wckey")?,
            tres: number("tres")?,
        };
        let cluster = map.get("cluster").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self {
            cluster,
            next,
            clusters: named(objects(&mut map, "clusters")?, |one: &Cluster| one.name.clone()),
            tres: numbered(objects(&mut map, "tres")?, |one: &Tres| one.id),
            qos: numbered(objects(&mut map, "qos")?, |one: &Qos| one.id),
            accounts: named(objects(&mut map, "accounts")?, |one: &Account| one.name.clone()),
            users: named(objects(&mut map, "users")?, |one: &User| one.name.clone()),
            wckeys: numbered(objects(&mut map, "wckeys")?, |one: &WcKey| one.id),
            associations: numbered(objects(&mut map, "associations")?, |one: &Association| one.id),
            instances: objects(&mut map, "instances")?,
        })
    }
}

fn section<'a, T: Object>(out: &mut Writer, name: &str, objects: impl Iterator<Item = &'a T>) {
    out.key(name);
    out.list(objects, Writer::object);
}

fn damaged(part: &'static str, why: impl Into<String>) -> BooksError {
    BooksError::Part { part, why: why.into() }
}

fn objects<T: Object>(map: &mut Map<String, Value>, part: &'static str) -> Result<Vec<T>, BooksError> {
    let Some(Value::Array(items)) = map.remove(part) else { return Err(damaged(part, "there is no list")) };
    let zone = TimeZone::UTC;
    let mut reader = Reader::new(Version::V45, 0, &zone);
    let objects = items.into_iter().map(|item| reader.object(item)).collect();
    match reader.problems.into_iter().next() {
        None => Ok(objects),
        Some(problem) => Err(damaged(part, problem.description)),
    }
}

fn named<T>(objects: Vec<T>, name: impl Fn(&T) -> Option<String>) -> std::collections::BTreeMap<String, T> {
    objects.into_iter().map(|one| (name(&one).unwrap_or_default(), one)).collect()
}

fn numbered<T>(objects: Vec<T>, id: impl Fn(&T) -> Option<i32>) -> std::collections::BTreeMap<i32, T> {
    objects.into_iter().map(|one| (id(&one).unwrap_or_default(), one)).collect()
}
