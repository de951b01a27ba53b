//! Every environment variable that the program reads, with its documentation.

use std::ffi::OsString;
use std::path::PathBuf;

/// An environment variable.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, in one sentence.
    pub(crate) about: &'static str,
}

impl Variable {
    /// The value; set but empty counts as not set.
    pub(crate) fn get(&self) -> Option<OsString> {
        std::env::var_os(self.name).filter(|value| !value.is_empty())
    }

    /// The value as a path.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.get().map(PathBuf::from)
    }
}

/// Our own configuration file.
pub(crate) const JOBGATE_CONFIG: Variable =
    Variable { name: "JOBGATE_CONFIG", about: "Configuration file (TOML, or one of psik's JSON files); must exist." };
/// Which psik the command line follows.
pub(crate) const JOBGATE_PSIK: Variable = Variable {
    name: "JOBGATE_PSIK",
    about: "Which psik the command line follows where versions differ: 3.0 (default) or 3.1.",
};
/// psik's configuration file.
pub(crate) const PSIK_CONFIG: Variable =
    Variable { name: "PSIK_CONFIG", about: "psik's configuration file (psik.json); must exist." };
/// psik_api's configuration file.
pub(crate) const PSIK_API_CONFIG: Variable = Variable {
    name: "PSIK_API_CONFIG",
    about: "psik_api's configuration file (psik_api.json), read by `serve` only; must exist.",
};
/// A Python virtual environment, where psik keeps its files.
pub(crate) const VIRTUAL_ENV: Variable =
    Variable { name: "VIRTUAL_ENV", about: "Python virtual environment whose etc/ is searched for psik's files." };
/// Where a user's configuration lives.
pub(crate) const XDG_CONFIG_HOME: Variable = Variable {
    name: "XDG_CONFIG_HOME",
    about: "Directory of the user's configuration (jobgate/jobgate.toml); default ~/.config.",
};
/// Where jobs live by default.
pub(crate) const XDG_DATA_HOME: Variable = Variable {
    name: "XDG_DATA_HOME",
    about: "Directory under which the default prefix lies (jobgate/jobs); default ~/.local/share.",
};
/// Where the index lives by default.
pub(crate) const XDG_STATE_HOME: Variable = Variable {
    name: "XDG_STATE_HOME",
    about: "Directory under which the index and the local queue lie (jobgate/); default ~/.local/state.",
};
/// Home directory.
pub(crate) const HOME: Variable =
    Variable { name: "HOME", about: "Home directory, for `~` and the defaults of the three above." };
/// No colours.
pub(crate) const NO_COLOR: Variable =
    Variable { name: "NO_COLOR", about: "When set, nothing is coloured, also on a terminal." };

/// All of them, in the order of the reference page.
pub(crate) const ALL: [&Variable; 10] = [
    &JOBGATE_CONFIG,
    &JOBGATE_PSIK,
    &PSIK_CONFIG,
    &PSIK_API_CONFIG,
    &VIRTUAL_ENV,
    &XDG_CONFIG_HOME,
    &XDG_DATA_HOME,
    &XDG_STATE_HOME,
    &HOME,
    &NO_COLOR,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_lists_them_all() {
        let page = include_str!("../../../../docs/configuration.md");
        for variable in ALL {
            let line = format!("| `{}` | {} |", variable.name, variable.about);
            assert!(page.contains(&line), "docs/configuration.md lacks: {line}");
        }
    }
}
