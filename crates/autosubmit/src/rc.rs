//! `autosubmitrc`: where a site keeps its experiments and databases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use crate::ini::{Ini, IniError};

/// What of a process's environment decides which files are read. It is passed in: nothing here reads the environment.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// All variables.
    pub variables: BTreeMap<String, String>,
    /// Where `.autosubmitrc` is looked for first.
    pub working_directory: PathBuf,
}

impl Environment {
    /// The value of a variable, if it has one that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A path with a leading `~` replaced by the home directory.
    pub fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => self.home().join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }

    fn home(&self) -> PathBuf {
        PathBuf::from(self.get("HOME").unwrap_or("/"))
    }
}

/// Where a site keeps its databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// SQLite files
    Sqlite,
    /// PostgreSQL, by this URL, which may hold a password
    Postgres(String),
}

/// A site's configuration.
#[derive(Debug, Clone)]
pub struct Rc {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Files or PostgreSQL.
    pub backend: Backend,
    /// The folder of the main database.
    pub database_folder: PathBuf,
    /// The main database's file name.
    pub database_file: String,
    /// The folder of the experiments (LOCAL_ROOT).
    pub root: PathBuf,
    /// The folder of `structure_<expid>.db`.
    pub structures: PathBuf,
    /// The folder of `job_data_<expid>.db`.
    pub history: PathBuf,
    /// The folder of the history's own logs.
    pub history_logs: PathBuf,
    /// The folder of logs that belong to no experiment.
    pub global_logs: PathBuf,
    /// The folder of `graph_data_<expid>.db`.
    pub graphs: PathBuf,
    /// URLs of the clients that may use CAS logins; `*` is any.
    pub clients: Vec<String>,
    ini: Ini,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RcError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file
        path: PathBuf,
        /// Why
        source: io::Error,
    },
    /// The file is no INI file.
    #[error("{path}: {source}")]
    Form {
        /// Which file
        path: PathBuf,
        /// What is wrong with it
        source: IniError,
    },
}

/// Bytes that a configuration may have.
const LARGEST: u64 = 1 << 20;

impl Rc {
    /// The file that Autosubmit would read: the one that `AUTOSUBMIT_CONFIGURATION` names if it exists, else `.autosubmitrc` in
    /// the working directory or at home, `/etc/autosubmitrc` or `/etc/.autosubmitrc`.
    pub fn find(environment: &Environment) -> Option<PathBuf> {
        let named = environment.get("AUTOSUBMIT_CONFIGURATION").map(|path| environment.expand(path));
        let usual = [
            environment.working_directory.join(".autosubmitrc"),
            environment.home().join(".autosubmitrc"),
            PathBuf::from("/etc/autosubmitrc"),
            PathBuf::from("/etc/.autosubmitrc"),
        ];
        named.into_iter().chain(usual).find(|path| path.is_file())
    }

    /// Reads a configuration.
    pub fn read(path: &Path, environment: &Environment) -> Result<Self, RcError> {
        let reading = |source| RcError::Read { path: path.to_owned(), source };
        if fs::metadata(path).map_err(reading)?.len() > LARGEST {
            return Err(reading(io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MiB")));
        }
        let text = fs::read_to_string(path).map_err(reading)?;
        let ini = Ini::parse(&text).map_err(|source| RcError::Form { path: path.to_owned(), source })?;
        Ok(Self::from_ini(ini, Some(path.to_owned()), environment))
    }

    /// What counts where there is no file.
    pub fn without_file(environment: &Environment) -> Self {
        Self::from_ini(Ini::default(), None, environment)
    }

    fn from_ini(ini: Ini, file: Option<PathBuf>, environment: &Environment) -> Self {
        let given = |section: &str, option: &str| ini.get(section, option).filter(|value| !value.is_empty());
        let path = |section: &str, option: &str| given(section, option).map(|value| environment.expand(&value));
        let database_folder = path("database", "path").unwrap_or_else(|| environment.expand("~/debug/autosubmit"));
        let root = path("local", "path").unwrap_or_else(|| environment.expand("~/debug/autosubmit"));
        let backend = match given("database", "backend").as_deref() {
            Some("postgres") => Backend::Postgres(given("database", "connection_url").unwrap_or_default()),
            _ => Backend::Sqlite,
        };
        let clients = given("clients", "authorized").unwrap_or_default();
        Self {
            backend,
            database_file: given("database", "filename").unwrap_or_else(|| "autosubmit.db".to_owned()),
            structures: path("structures", "path")
                .unwrap_or_else(|| "/esarchive/autosubmit/as_metadata/structures".into()),
            history: path("historicdb", "path").unwrap_or_else(|| "/esarchive/autosubmit/as_metadata/data".into()),
            history_logs: path("historiclog", "path")
                .unwrap_or_else(|| "/esarchive/autosubmit/as_metadata/logs".into()),
            global_logs: path("globallogs", "path").unwrap_or_else(|| "/esarchive/autosubmit/Aslogs".into()),
            graphs: path("graph", "path").unwrap_or_else(|| root.join("metadata/graph")),
            clients: clients.split_whitespace().map(str::to_owned).collect(),
            database_folder,
            root,
            file,
            ini,
        }
    }

    /// The main database.
    pub fn database(&self) -> PathBuf {
        self.database_folder.join(&self.database_file)
    }

    /// The database of the experiments' states, beside the main one.
    pub fn times(&self) -> PathBuf {
        self.database_folder.join("as_times.db")
    }

    /// A value as the file has it, for what only echoes it.
    pub fn option(&self, section: &str, option: &str) -> Option<String> {
        self.ini.get(section, option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: &Path, named: &str) -> Environment {
        let variables = [("HOME", home.to_str().unwrap()), ("AUTOSUBMIT_CONFIGURATION", named)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Environment { variables, working_directory: home.join("here") }
    }

    #[test]
    fn the_file_is_found_where_autosubmit_looks() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        fs::create_dir(home.join("here")).unwrap();
        let found = |named: &str| Rc::find(&environment(home, named));
        if Path::new("/etc/autosubmitrc").exists() || Path::new("/etc/.autosubmitrc").exists() {
            return;
        }
        assert_eq!(found(""), None);
        fs::write(home.join(".autosubmitrc"), "").unwrap();
        assert_eq!(found(""), Some(home.join(".autosubmitrc")));
        fs::write(home.join("here/.autosubmitrc"), "").unwrap();
        assert_eq!(found("/does/not/exist"), Some(home.join("here/.autosubmitrc")));
        fs::write(home.join("named"), "").unwrap();
        assert_eq!(found("~/named"), Some(home.join("named")));
    }

    #[test]
    fn paths_come_from_the_file_or_are_the_usual_ones() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("rc");
        let text = "[database]\npath = ~/as\nfilename = main.db\n[local]\npath = /data\n[historicdb]\npath = /data/h\n\
                    [clients]\nauthorized = https://a https://b\n[mail]\nsmtp_server = mail\n";
        fs::write(&file, text).unwrap();
        let rc = Rc::read(&file, &environment(home.path(), "")).unwrap();
        assert_eq!(rc.database(), home.path().join("as/main.db"));
        assert_eq!(rc.times(), home.path().join("as/as_times.db"));
        assert_eq!((rc.root.as_path(), rc.history.as_path()), (Path::new("/data"), Path::new("/data/h")));
        assert_eq!(rc.graphs, Path::new("/data/metadata/graph"));
        assert_eq!(rc.clients, ["https://a", "https://b"]);
        assert_eq!(rc.backend, Backend::Sqlite);
        assert_eq!(rc.option("mail", "smtp_server").as_deref(), Some("mail"));
        let without = Rc::without_file(&environment(home.path(), ""));
        assert_eq!(without.database(), home.path().join("debug/autosubmit/autosubmit.db"));
        fs::write(&file, "[database]\nbackend = postgres\nconnection_url = postgresql://u:p@h/d\n").unwrap();
        let rc = Rc::read(&file, &environment(home.path(), "")).unwrap();
        assert_eq!(rc.backend, Backend::Postgres("postgresql://u:p@h/d".into()));
        fs::write(&file, "nonsense").unwrap();
        let error = Rc::read(&file, &environment(home.path(), "")).unwrap_err();
        assert!(error.to_string().contains("before the first [section]"), "{error}");
        assert!(Rc::read(&home.path().join("none"), &environment(home.path(), "")).is_err());
    }
}
