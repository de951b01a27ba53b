//! Autosubmit's tables in PostgreSQL: the same as in files, those of an experiment in a schema that is named like it.
//!
//! Every reading asks for texts, in a session that is read only unless it says otherwise, and with the same statements as for files.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fallible_iterator::FallibleIterator as _;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Transaction};

use super::encryption::{Encryption, asked};
use super::{Column, DatabaseError, MOST_BYTES, MOST_ROWS, Parameter, Row};
use crate::basis;

/// So long the server may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// So long what was sent may stay without any sign of the server.
const SILENCE: Duration = Duration::from_secs(60);
/// After so long without a word the network is asked whether the server is there, again after this, and so often.
const IDLE_BEFORE_ASKED: Duration = Duration::from_secs(30);
const BETWEEN_ASKING: Duration = Duration::from_secs(10);
const ASKED: u32 = 3;
/// Connections that are kept for later.
const IDLE: usize = 4;
/// What counts in every session: nothing is written by mistake, and no statement takes for ever. Milliseconds.
const SESSION: &str = "-c default_transaction_read_only=on -c statement_timeout=60000 -c lock_timeout=5000";

/// A server with Autosubmit's tables. Must not be asked from within an asynchronous task.
pub struct Postgres {
    config: Result<(Config, Option<Encryption>), String>,
    idle: Mutex<Vec<Client>>,
}

/// A connection has a runtime of its own, which may not end within an asynchronous task; whoever lets go of a site may be one.
impl Drop for Postgres {
    fn drop(&mut self) {
        let idle = std::mem::take(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !idle.is_empty() {
            drop(std::thread::spawn(move || drop(idle)).join());
        }
    }
}

/// Without the password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Postgres {
    /// The server at a URL as SQLAlchemy takes it: `postgresql://` or `postgresql+DRIVER://`. Nothing is opened yet.
    pub fn new(url: &str) -> Self {
        let plain = match url.split_once("://") {
            Some((scheme, rest)) if scheme.starts_with("postgres") => format!("postgresql://{rest}"),
            _ => url.to_owned(),
        };
        let config = asked(&plain).and_then(|(url, encryption)| {
            // the text of the error may hold a part of the URL, and so of its password
            let wrong = |_| "database.connection_url is no URL of a PostgreSQL server, or says more than is understood";
            let mut config: Config = url.parse().map_err(wrong)?;
            config.connect_timeout(CONNECT).options(SESSION).application_name("jobgate");
            // a server that is gone, or a network that forgets connections, says nothing
            config.tcp_user_timeout(SILENCE).keepalives_idle(IDLE_BEFORE_ASKED).keepalives_interval(BETWEEN_ASKING);
            config.keepalives_retries(ASKED);
            Ok((config, encryption))
        });
        Self { config, idle: Mutex::default() }
    }

    /// A connection, for one reading or change.
    pub(super) fn lease(&self) -> Result<Lease<'_>, DatabaseError> {
        // nothing tells cheaply whether what a server says has changed
        basis::unfounded();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // a server that was restarted in between is noticed by asking only
        if let Some(client) = idle.and_then(|mut client| client.is_valid(CONNECT).ok().map(|()| client)) {
            return Ok(Lease { client: Some(client), server: self });
        }
        let config = self.config.as_ref().map_err(|what| DatabaseError::Server { what: what.clone() })?;
        let client = match config {
            (config, None) => config.connect(NoTls),
            (config, Some(encryption)) => config.connect(encryption.clone()),
        };
        let client = client.map_err(failure)?;
        Ok(Lease { client: Some(client), server: self })
    }

    /// Makes a change, whole or not at all.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, postgres::Error>,
    ) -> Result<T, DatabaseError> {
        let mut lease = self.lease()?;
        let mut transaction = lease.client().build_transaction().read_only(false).start().map_err(failure)?;
        let changed = change(&mut transaction).map_err(failure)?;
        transaction.commit().map_err(failure)?;
        Ok(changed)
    }

    /// The pickle of an experiment's jobs.
    pub(crate) fn pickle(&self, expid: &str) -> Result<Option<Vec<u8>>, DatabaseError> {
        let mut lease = self.lease()?;
        let row = lease.client().query_opt("SELECT pkl FROM public.job_pkl WHERE expid = $1::text", &[&expid]);
        Ok(row.map_err(failure)?.and_then(|row| row.try_get(0).ok().flatten()))
    }

    /// When the pickle of an experiment's jobs was written, ISO 8601.
    pub(crate) fn pickled(&self, expid: &str) -> Result<Option<String>, DatabaseError> {
        let mut lease = self.lease()?;
        let row =
            lease.client().query_opt("SELECT modified::text FROM public.job_pkl WHERE expid = $1::text", &[&expid]);
        Ok(row.map_err(failure)?.and_then(|row| row.try_get(0).ok().flatten()))
    }
}

/// A connection that goes back to those that are kept.
pub(super) struct Lease<'a> {
    client: Option<Client>,
    server: &'a Postgres,
}

impl Lease<'_> {
    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("invariant: a lease has its client until it is dropped")
    }

    pub(super) fn has_table(&mut self, schema: &str, table: &str) -> Result<bool, DatabaseError> {
        let query = "SELECT 1 FROM information_schema.tables \
                     WHERE table_schema = $1::text AND table_name = $2::text AND table_type = 'BASE TABLE'";
        Ok(self.client().query_opt(query, &[&schema, &table]).map_err(failure)?.is_some())
    }

    pub(super) fn columns(&mut self, schema: &str, table: &str) -> Result<Vec<String>, DatabaseError> {
        let query = "SELECT column_name::text FROM information_schema.columns \
                     WHERE table_schema = $1::text AND table_name = $2::text AND is_generated = 'NEVER'";
        let rows = self.client().query(query, &[&schema, &table]).map_err(failure)?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Reads columns, which must be among `known`. `rest` is as for files.
    pub(super) fn read<T>(
        &mut self,
        (schema, table): (&str, &str),
        columns: &[(Column, bool)],
        rest: &str,
        parameters: &[Parameter<'_>],
        mut each: impl FnMut(&Row<'_>) -> T,
    ) -> Result<Vec<T>, DatabaseError> {
        let select = |(place, (column, there)): (usize, &(Column, bool))| match there {
            true => format!("\"{}\"::text AS c{place}", column.name()),
            false => format!("NULL::text AS c{place}"),
        };
        let selected: Vec<String> = columns.iter().enumerate().map(select).collect();
        let query =
            format!("SELECT {} FROM \"{schema}\".\"{table}\" {}", selected.join(", "), translated(rest, parameters));
        let texts: Vec<Option<String>> = parameters.iter().map(Parameter::as_text).collect();
        let given = texts.iter().map(|text| text as &(dyn ToSql + Sync));
        let mut rows = self.client().query_raw(&query, given.collect::<Vec<_>>()).map_err(failure)?;
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(failure)? {
            let length = |column| row.try_get::<_, Option<&str>>(column).ok().flatten().map_or(0, str::len);
            bytes += (0..row.len()).map(length).sum::<usize>();
            if found.len() >= MOST_ROWS || bytes > MOST_BYTES {
                return Err(DatabaseError::Server { what: format!("{schema}.{table} has more rows than can be") });
            }
            found.push(each(&Row::Postgres(&row)));
        }
        Ok(found)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take().filter(|client| !client.is_closed()) {
            let mut idle = self.server.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(client);
            }
        }
    }
}

/// What follows `FROM table`, in PostgreSQL's words.
fn translated(rest: &str, parameters: &[Parameter<'_>]) -> String {
    let mut translated = rest.replace("rowid", "ctid");
    for (place, parameter) in parameters.iter().enumerate() {
        let number = place + 1;
        translated = translated.replace(&format!("?{number}"), &parameter.in_postgres(number));
    }
    translated
}

/// What the server says, without what it was asked.
#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(super) fn failure(error: postgres::Error) -> DatabaseError {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let what = match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => format!("{error}{cause}"),
    };
    DatabaseError::Server { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_for_files_are_those_for_the_server() {
        let rest = "WHERE ?1 IS NULL OR run_id = ?1 ORDER BY rowid";
        assert_eq!(
            translated(rest, &[Parameter::Integer(Some(1))]),
            "WHERE ($1::text)::bigint IS NULL OR run_id = ($1::text)::bigint ORDER BY ctid"
        );
        assert_eq!(translated("WHERE job_name = ?1", &[Parameter::Text("x")]), "WHERE job_name = $1::text");
    }

    #[test]
    fn a_server_that_is_gone_is_not_waited_for() {
        let server = Postgres::new("postgresql://u@h/d");
        let (config, _) = server.config.as_ref().unwrap();
        assert_eq!(config.get_tcp_user_timeout(), Some(&SILENCE));
        assert!(config.get_keepalives() && config.get_keepalives_idle() == IDLE_BEFORE_ASKED);
        assert_eq!(
            (config.get_keepalives_interval(), config.get_keepalives_retries()),
            (Some(BETWEEN_ASKING), Some(ASKED))
        );
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        let error = Postgres::new("postgresql://u:secret@h:port/d").lease().unwrap_err().to_string();
        assert!(error.contains("connection_url") && !error.contains("secret"), "{error}");
        let away = Postgres::new("postgresql+psycopg2://u:secret@127.0.0.1:1/d").lease().unwrap_err().to_string();
        assert!(!away.contains("secret"), "{away}");
    }
}
