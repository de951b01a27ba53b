//! A real PostgreSQL server for a test; also for the tests of the whole program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::{Client, NoTls};
use rusqlite::Connection;
use rusqlite::types::Value;

/// A server of its own, on a socket in its folder.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Server {
    /// Debian's `postgresql`, if it is installed; it does not run as root, so root runs it as `postgres`.
    pub(crate) fn start() -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists());
        let Some(programs) = programs else {
            eprintln!("SKIPPED: there is no PostgreSQL server (Debian: postgresql)");
            if let Some(path) = std::env::var_os("JOBGATE_SKIPPED") {
                use std::io::Write;
                let file = fs::OpenOptions::new().append(true).create(true).open(path);
                drop(file.and_then(|mut file| file.write_all(b"autosubmit/postgres: there is no PostgreSQL server\n")));
            }
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if root() {
            assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
        }
        let server = Self { folder, programs };
        let (data, log) = (server.path("data"), server.path("log"));
        server.run("initdb", &["-D", &data, "-A", "trust", "-U", "as", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let options = format!("-c listen_addresses='' -c unix_socket_directories={} -c fsync=off", server.path(""));
        server.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]);
        Some(server)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().trim_end_matches('/').to_owned()
    }

    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if root() { Command::new("runuser") } else { Command::new(&program) };
        if root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        let log = fs::File::create(std::env::temp_dir().join(format!("pg-{}.log", std::process::id()))).unwrap();
        let status = command.args(arguments).current_dir("/").stdout(log.try_clone().unwrap()).stderr(log).status();
        assert!(status.unwrap().success(), "{} {arguments:?}", program.display());
    }

    /// Its URL, as SQLAlchemy takes it.
    pub(crate) fn url(&self) -> String {
        format!("postgresql+psycopg2://as@/postgres?host={}", self.path(""))
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.url().replace("+psycopg2", ""), NoTls).unwrap()
    }

    /// Copies the tables of a file into a schema.
    pub(crate) fn load(&self, file: &Path, schema: &str) {
        let file = Connection::open(file).unwrap();
        let mut client = self.client();
        client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")).unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut statement = file.prepare(tables).unwrap();
        let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for name in names {
            let mut statement = file.prepare(&format!("SELECT name, type FROM pragma_table_info('{name}')")).unwrap();
            let columns: Vec<(String, String)> =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
            let kind = |kind: &str| match kind.to_uppercase() {
                kind if kind.contains("INT") => "bigint",
                kind if kind.contains("REAL") => "double precision",
                _ => "text",
            };
            let list: Vec<String> = columns.iter().map(|(name, it)| format!("\"{name}\" {}", kind(it))).collect();
            client
                .batch_execute(&format!("CREATE TABLE IF NOT EXISTS \"{schema}\".\"{name}\" ({})", list.join(", ")))
                .unwrap();
            let mut statement = file.prepare(&format!("SELECT * FROM \"{name}\" ORDER BY rowid")).unwrap();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let value = |column| match row.get::<_, Value>(column).unwrap() {
                    Value::Null | Value::Blob(_) => "NULL".to_owned(),
                    Value::Integer(value) => format!("'{value}'"),
                    Value::Real(value) => format!("'{value}'"),
                    Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                };
                let values: Vec<String> = (0..columns.len()).map(value).collect();
                let insert = format!("INSERT INTO \"{schema}\".\"{name}\" VALUES ({})", values.join(", "));
                client.batch_execute(&insert).unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.path("data"), "-m", "immediate", "-w", "stop"]);
    }
}

pub(crate) fn root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}
