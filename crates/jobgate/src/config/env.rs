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

/// Who we are, where only a directory service knows.
pub(crate) const LOGNAME: Variable = Variable {
    name: "LOGNAME",
    about: "The login of the user that Jobgate runs as, where /etc/passwd does not know it.",
};
/// Sockets of a service manager.
pub(crate) const LISTEN_FDS: Variable = Variable {
    name: "LISTEN_FDS",
    about: "Set by systemd's socket activation: its sockets are listened on, and no others.",
};
/// Where to listen as slurmrestd.
pub(crate) const SLURMRESTD_LISTEN: Variable = Variable {
    name: "SLURMRESTD_LISTEN",
    about: "As slurmrestd: where to listen besides the addresses that are given, a comma list of [HOST]:PORT and unix:/PATH.",
};
/// How clients of slurmrestd may prove who they are.
pub(crate) const SLURMRESTD_AUTH_TYPES: Variable =
    Variable { name: "SLURMRESTD_AUTH_TYPES", about: "As slurmrestd: what `-a` says, where it is not given." };
/// What slurmrestd serves.
pub(crate) const SLURMRESTD_OPENAPI_PLUGINS: Variable =
    Variable { name: "SLURMRESTD_OPENAPI_PLUGINS", about: "As slurmrestd: what `-s` says, where it is not given." };
/// In which versions slurmrestd serves it.
pub(crate) const SLURMRESTD_DATA_PARSER_PLUGINS: Variable =
    Variable { name: "SLURMRESTD_DATA_PARSER_PLUGINS", about: "As slurmrestd: what `-d` says, where it is not given." };
/// What slurmrestd dares.
pub(crate) const SLURMRESTD_SECURITY: Variable = Variable {
    name: "SLURMRESTD_SECURITY",
    about: "As slurmrestd: a comma list of disable_user_check (run as root) and allow_plain_http (listen beyond loopback).",
};
/// How much slurmrestd says.
pub(crate) const SLURMRESTD_DEBUG: Variable = Variable {
    name: "SLURMRESTD_DEBUG",
    about: "As slurmrestd: how much to log, a level's name or number (4, verbose, is `-v`; from 5, debug, on it is `-vv`).",
};

/// Autosubmit's configuration.
pub(crate) const AUTOSUBMIT_CONFIGURATION: Variable = Variable {
    name: "AUTOSUBMIT_CONFIGURATION",
    about: "Autosubmit's configuration (autosubmitrc); without it .autosubmitrc here or at home, then /etc/autosubmitrc.",
};
/// How much of Autosubmit's dialect is protected.
pub(crate) const PROTECTION_LEVEL: Variable = Variable {
    name: "PROTECTION_LEVEL",
    about: "How much of Autosubmit's dialect needs a token: ALL (default), WRITEONLY or NONE.",
};
/// What tokens of Autosubmit's dialect are signed with.
pub(crate) const SECRET_KEY: Variable = Variable {
    name: "SECRET_KEY",
    about: "The key that tokens of Autosubmit's dialect are signed with; without one there are none.",
};
/// A token that everybody has.
pub(crate) const AS_API_SECRET_TOKEN: Variable = Variable {
    name: "AS_API_SECRET_TOKEN",
    about: "A token that counts in Autosubmit's dialect, for the user `User`.",
};
/// Where a proxy shows us.
pub(crate) const AS_API_ROOT_PATH: Variable = Variable {
    name: "AS_API_ROOT_PATH",
    about: "The path below which a proxy shows Autosubmit's dialect, for its OpenAPI document.",
};

/// The YAML file of Autosubmit API.
pub(crate) const AS_API_CONFIG_FILE: Variable = Variable {
    name: "AS_API_CONFIG_FILE",
    about: "Autosubmit API's YAML file (runners, background tasks); default ~/.autosubmit_api.yaml, which need not be there.",
};
/// No background tasks.
pub(crate) const DISABLE_BACKGROUND_TASKS: Variable = Variable {
    name: "DISABLE_BACKGROUND_TASKS",
    about: "If `True`, `T` or `true`: no background tasks of Autosubmit's dialect.",
};
/// Background tasks at the start.
pub(crate) const RUN_BACKGROUND_TASKS_ON_START: Variable = Variable {
    name: "RUN_BACKGROUND_TASKS_ON_START",
    about: "If `True`, `T` or `true`: background tasks of Autosubmit's dialect are also done at the start.",
};

/// Where people log in.
pub(crate) const CAS_SERVER_URL: Variable = Variable {
    name: "CAS_SERVER_URL",
    about: "As Autosubmit API: the CAS server by which people log in, where `[auth.cas]` names none.",
};
/// Where people log in at CAS.
pub(crate) const CAS_LOGIN_URL: Variable = Variable {
    name: "CAS_LOGIN_URL",
    about: "As Autosubmit API: where people log in at the CAS server, if not below `CAS_SERVER_URL`.",
};
/// Where CAS is shown tickets.
pub(crate) const CAS_VERIFY_URL: Variable = Variable {
    name: "CAS_VERIFY_URL",
    about: "As Autosubmit API: where the CAS server is shown tickets, if not below `CAS_SERVER_URL`.",
};
/// Who we are at GitHub.
pub(crate) const GITHUB_OAUTH_CLIENT_ID: Variable = Variable {
    name: "GITHUB_OAUTH_CLIENT_ID",
    about: "As Autosubmit API: what GitHub calls this server; people log in there, where there is no `[auth.github]`.",
};
/// Our secret at GitHub.
pub(crate) const GITHUB_OAUTH_CLIENT_SECRET: Variable = Variable {
    name: "GITHUB_OAUTH_CLIENT_SECRET",
    about: "As Autosubmit API: the secret that goes with `GITHUB_OAUTH_CLIENT_ID`.",
};
/// Whose members may come.
pub(crate) const GITHUB_OAUTH_WHITELIST_ORGANIZATION: Variable = Variable {
    name: "GITHUB_OAUTH_WHITELIST_ORGANIZATION",
    about: "As Autosubmit API: only members of this organization of GitHub may log in; without it, everybody with an account there.",
};
/// Of which team.
pub(crate) const GITHUB_OAUTH_WHITELIST_TEAM: Variable = Variable {
    name: "GITHUB_OAUTH_WHITELIST_TEAM",
    about: "As Autosubmit API: only members of this team of the organization (its slug) may log in.",
};
/// Where codes are exchanged.
pub(crate) const OIDC_TOKEN_URL: Variable = Variable {
    name: "OIDC_TOKEN_URL",
    about: "As Autosubmit API: an OpenID provider's token endpoint (https); people log in there, where there is no `[auth.oidc.NAME]`.",
};
/// Who we are there.
pub(crate) const OIDC_CLIENT_ID: Variable =
    Variable { name: "OIDC_CLIENT_ID", about: "As Autosubmit API: what that provider calls this server." };
/// Our secret there.
pub(crate) const OIDC_CLIENT_SECRET: Variable =
    Variable { name: "OIDC_CLIENT_SECRET", about: "As Autosubmit API: the secret that goes with `OIDC_CLIENT_ID`." };
/// Where users' names are.
pub(crate) const OIDC_USERNAME_SOURCE: Variable = Variable {
    name: "OIDC_USERNAME_SOURCE",
    about: "As Autosubmit API: `userinfo` if users' names are behind `OIDC_USERINFO_URL`; else they are in the ID token.",
};
/// Which claim is the name.
pub(crate) const OIDC_USERNAME_CLAIM: Variable = Variable {
    name: "OIDC_USERNAME_CLAIM",
    about: "As Autosubmit API: the claim that is a user's name; default `sub`.",
};
/// Where userinfo is asked.
pub(crate) const OIDC_USERINFO_URL: Variable =
    Variable { name: "OIDC_USERINFO_URL", about: "As Autosubmit API: that provider's userinfo endpoint." };

/// All of them, in the order of the reference page.
pub(crate) const ALL: [&Variable; 39] = [
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
    &LOGNAME,
    &LISTEN_FDS,
    &SLURMRESTD_LISTEN,
    &SLURMRESTD_AUTH_TYPES,
    &SLURMRESTD_OPENAPI_PLUGINS,
    &SLURMRESTD_DATA_PARSER_PLUGINS,
    &SLURMRESTD_SECURITY,
    &SLURMRESTD_DEBUG,
    &AUTOSUBMIT_CONFIGURATION,
    &PROTECTION_LEVEL,
    &SECRET_KEY,
    &AS_API_SECRET_TOKEN,
    &AS_API_ROOT_PATH,
    &AS_API_CONFIG_FILE,
    &DISABLE_BACKGROUND_TASKS,
    &RUN_BACKGROUND_TASKS_ON_START,
    &CAS_SERVER_URL,
    &CAS_LOGIN_URL,
    &CAS_VERIFY_URL,
    &GITHUB_OAUTH_CLIENT_ID,
    &GITHUB_OAUTH_CLIENT_SECRET,
    &GITHUB_OAUTH_WHITELIST_ORGANIZATION,
    &GITHUB_OAUTH_WHITELIST_TEAM,
    &OIDC_TOKEN_URL,
    &OIDC_CLIENT_ID,
    &OIDC_CLIENT_SECRET,
    &OIDC_USERNAME_SOURCE,
    &OIDC_USERNAME_CLAIM,
    &OIDC_USERINFO_URL,
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
