//! How Autosubmit is found where it is to run: in a Conda environment, by environment modules, in a virtual environment, or in the
//! PATH.

use std::path::{Component, Path};

use serde_json::Value;

use super::RunnerError;

/// What makes Autosubmit reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loader {
    /// The Conda environment of this name
    Conda(String),
    /// Environment modules (Lmod, or Tcl's), loaded in this order
    Lmod(Vec<String>),
    /// The virtual environment in this folder, an absolute path
    Venv(String),
    /// Nothing: `autosubmit` is in the PATH
    NoModule,
}

/// Loads modules and becomes the program. `module` is a function of the shell, so this one thing needs bash; it is looked for where
/// it is usually defined if bash does not know it. Unlike in the original a module that cannot be loaded is an error, not a run
/// with whatever else is in the PATH.
const LOAD_MODULES: &str = r#"n=$1; shift; m=("${@:1:n}"); shift "$n"
if ! type module >/dev/null 2>&1; then
  for f in "$BASH_ENV" "$LMOD_PKG/init/bash" "$MODULESHOME/init/bash" /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh \
    /etc/profile.d/modules.sh /usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash; do
    if [ -f "$f" ]; then . "$f"; break; fi
  done
fi
module load "${m[@]}" || exit 69
exec "$@""#;

/// Conda is often a matter of an interactive shell's start-up files.
const INTERACTIVE_CONDA: &str = r#"e=$1; shift; conda run -n "$e" "$@""#;

impl Loader {
    /// Reads a loader's kind and its modules, which are a text or a list of texts.
    pub fn parse(kind: &str, modules: Option<&Value>) -> Result<Self, RunnerError> {
        let kind = kind.to_uppercase();
        let modules = || match modules {
            Some(Value::String(name)) => Ok(vec![name.clone()]),
            Some(Value::Array(names)) => names
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or(RunnerError::Modules("the modules must be a text or a list of texts")),
            _ => Err(RunnerError::Modules("the modules must be a text or a list of texts")),
        };
        let single = |wrong: &'static str| {
            let mut names = modules()?;
            if names.len() == 1 { Ok(names.remove(0).trim().to_owned()) } else { Err(RunnerError::Modules(wrong)) }
        };
        match kind.as_str() {
            "CONDA" => {
                let name = single("a Conda environment is a text or a list of one text")?;
                Ok(Self::Conda(plain(name, "this is no name of a Conda environment")?))
            }
            "LMOD" => {
                let names = modules()?;
                if names.is_empty() {
                    return Err(RunnerError::Modules("there is no module to load"));
                }
                let names = names.into_iter().map(|name| plain(name, "this is no name of a module"));
                Ok(Self::Lmod(names.collect::<Result<_, _>>()?))
            }
            "VENV" => {
                let path = single("a virtual environment is a text or a list of one text")?;
                if is_straight(&path) {
                    Ok(Self::Venv(path.trim_end_matches('/').to_owned()))
                } else {
                    Err(RunnerError::Modules("a virtual environment is an absolute path without `..`"))
                }
            }
            "NO_MODULE" => Ok(Self::NoModule),
            _ => Err(RunnerError::LoaderKind(kind)),
        }
    }

    /// The kind as it stands in tables and answers.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conda(_) => "CONDA",
            Self::Lmod(_) => "LMOD",
            Self::Venv(_) => "VENV",
            Self::NoModule => "NO_MODULE",
        }
    }

    /// The modules as they stand in answers.
    pub fn modules(&self) -> Vec<String> {
        match self {
            Self::Conda(one) | Self::Venv(one) => vec![one.clone()],
            Self::Lmod(all) => all.clone(),
            Self::NoModule => Vec::new(),
        }
    }

    /// What to run, so that `autosubmit` runs with these arguments; `far` if that is on another machine.
    pub(super) fn argv(&self, arguments: &[String], far: bool) -> Vec<String> {
        let text = str::to_owned;
        let mut argv = match self {
            Self::Conda(name) if far => {
                vec![
                    text("bash"),
                    text("-ic"),
                    text(INTERACTIVE_CONDA),
                    text("jobgate"),
                    name.clone(),
                    text("autosubmit"),
                ]
            }
            Self::Conda(name) => vec![text("conda"), text("run"), text("-n"), name.clone(), text("autosubmit")],
            Self::Lmod(names) => {
                let mut argv =
                    vec![text("bash"), text("-c"), text(LOAD_MODULES), text("jobgate"), names.len().to_string()];
                argv.extend(names.iter().cloned());
                argv.push(text("autosubmit"));
                argv
            }
            Self::Venv(path) => vec![format!("{path}/bin/autosubmit")],
            Self::NoModule => vec![text("autosubmit")],
        };
        argv.extend(arguments.iter().cloned());
        argv
    }
}

/// A name of a module or an environment: what such names are made of, and no option.
fn plain(name: String, wrong: &'static str) -> Result<String, RunnerError> {
    let of_names = |c: char| c.is_alphanumeric() || "._-+/@:=~".contains(c);
    if !name.is_empty() && name.len() <= 1000 && !name.starts_with('-') && name.chars().all(of_names) {
        Ok(name)
    } else {
        Err(RunnerError::Modules(wrong))
    }
}

/// An absolute path that goes straight down.
pub(super) fn is_straight(path: &str) -> bool {
    let parts =
        |path| Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    path.starts_with('/') && path.len() <= 4000 && !path.contains(['\0', '\n']) && parts(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_makes_its_argv() {
        let run = ["run".to_owned(), "a000".to_owned()];
        let argv = |kind: &str, modules: Value, far| Loader::parse(kind, Some(&modules)).unwrap().argv(&run, far);
        assert_eq!(argv("NO_MODULE", Value::Null, false), ["autosubmit", "run", "a000"]);
        assert_eq!(argv("venv", json!(["/opt/as/"]), false), ["/opt/as/bin/autosubmit", "run", "a000"]);
        assert_eq!(argv("CONDA", json!("as4"), false), ["conda", "run", "-n", "as4", "autosubmit", "run", "a000"]);
        assert_eq!(argv("CONDA", json!("as4"), true)[3..], ["jobgate", "as4", "autosubmit", "run", "a000"]);
        assert_eq!(
            argv("LMOD", json!(["git/2.4", "autosubmit"]), false)[3..],
            ["jobgate", "2", "git/2.4", "autosubmit", "autosubmit", "run", "a000"]
        );
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for (kind, modules) in [
            ("CONDA", json!("a; touch x")),
            ("CONDA", json!("-n")),
            ("CONDA", json!(["a", "b"])),
            ("CONDA", json!(7)),
            ("CONDA", Value::Null),
            ("LMOD", json!([])),
            ("LMOD", json!(["a", "$(x)"])),
            ("LMOD", json!(["a", 1])),
            ("LMOD", json!("a b")),
            ("LMOD", json!("")),
            ("VENV", json!("relative/path")),
            ("VENV", json!("/opt/../tmp/x")),
            ("VENV", json!("/opt\n/x")),
            ("DOCKER", json!("x")),
        ] {
            assert!(Loader::parse(kind, Some(&modules)).is_err(), "{kind} {modules}");
        }
    }
}
