//! The options of sbatch(1), from releases 22.05 to 26.05.

use super::Fault;
use crate::excerpt::excerpt;

/// An option of sbatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SbatchOption {
    /// The long name, without dashes.
    pub long: &'static str,
    /// The letter, for those that have one.
    pub short: Option<char>,
    /// Whether it takes a value.
    pub takes: Takes,
}

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Never.
    Nothing,
    /// Always: attached, or the next word.
    Value,
    /// If one is attached: `--exclusive=user`, `-koff`.
    MaybeValue,
}

/// All options that a script may give, by long name.
pub const OPTIONS: [SbatchOption; 111] = [
    value("account", Some('A')),
    value("acctg-freq", None),
    value("array", Some('a')),
    value("batch", None),
    value("bb", None),
    value("bbf", None),
    value("begin", Some('b')),
    value("chdir", Some('D')),
    value("cluster-constraint", None),
    value("clusters", Some('M')),
    value("comment", None),
    flag("consolidate-segments", None),
    value("constraint", Some('C')),
    value("container", None),
    value("container-id", None),
    value("context", None),
    flag("contiguous", None),
    value("core-spec", Some('S')),
    value("cores-per-socket", None),
    value("cpu-freq", None),
    value("cpus-per-gpu", None),
    value("cpus-per-task", Some('c')),
    value("deadline", None),
    value("delay-boot", None),
    value("dependency", Some('d')),
    value("distribution", Some('m')),
    value("error", Some('e')),
    value("exclude", Some('x')),
    maybe("exclusive", None),
    value("export", None),
    value("export-file", None),
    value("extra", None),
    value("extra-node-info", Some('B')),
    maybe("get-user-env", None),
    value("gid", None),
    value("gpu-bind", None),
    value("gpu-freq", None),
    value("gpus", Some('G')),
    value("gpus-per-node", None),
    value("gpus-per-socket", None),
    value("gpus-per-task", None),
    value("gres", None),
    value("gres-flags", None),
    value("hint", None),
    flag("hold", Some('H')),
    flag("ignore-pbs", None),
    value("input", Some('i')),
    value("job-name", Some('J')),
    value("kill-on-invalid-dep", None),
    value("licenses", Some('L')),
    value("mail-type", None),
    value("mail-user", None),
    value("mcs-label", None),
    value("mem", None),
    value("mem-bind", None),
    value("mem-per-cpu", None),
    value("mem-per-gpu", None),
    value("mincpus", None),
    value("network", None),
    maybe("nice", None),
    maybe("no-kill", Some('k')),
    flag("no-requeue", None),
    value("nodefile", Some('F')),
    value("nodelist", Some('w')),
    value("nodes", Some('N')),
    value("ntasks", Some('n')),
    value("ntasks-per-core", None),
    value("ntasks-per-gpu", None),
    value("ntasks-per-node", None),
    value("ntasks-per-socket", None),
    value("ntasks-per-tres", None),
    maybe("oom-kill-step", None),
    value("open-mode", None),
    value("output", Some('o')),
    flag("overcommit", Some('O')),
    flag("oversubscribe", Some('s')),
    flag("parsable", None),
    value("partition", Some('p')),
    value("power", None),
    value("prefer", None),
    value("priority", None),
    value("profile", None),
    maybe("propagate", None),
    value("qos", Some('q')),
    flag("quiet", Some('Q')),
    flag("reboot", None),
    flag("requeue", None),
    value("reservation", None),
    maybe("resv-ports", None),
    value("segment", None),
    value("signal", None),
    value("sockets-per-node", None),
    flag("spread-job", None),
    flag("spread-segments", None),
    flag("stepmgr", None),
    value("switches", None),
    flag("test-only", None),
    value("thread-spec", None),
    value("threads-per-core", None),
    value("time", Some('t')),
    value("time-min", None),
    value("tmp", None),
    value("tres-bind", None),
    value("tres-per-task", None),
    value("uid", None),
    flag("use-min-nodes", None),
    flag("verbose", Some('v')),
    flag("wait", Some('W')),
    value("wait-all-nodes", None),
    value("wckey", None),
    value("wrap", None),
];

/// Other long names that sbatch knows.
const ALIASES: [(&str, &str); 2] = [("cluster", "clusters"), ("tasks-per-node", "ntasks-per-node")];

/// The option with this long name or alias, in full.
pub fn by_long(name: &str) -> Option<SbatchOption> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    OPTIONS.iter().find(|option| option.long == name).copied()
}

/// The option with this letter.
pub fn by_short(letter: char) -> Option<SbatchOption> {
    OPTIONS.iter().find(|option| option.short == Some(letter)).copied()
}

/// The option that a long name means, in full or shortened to a start that fits no other.
pub(super) fn expand(name: &str) -> Result<SbatchOption, Fault> {
    if let Some(option) = by_long(name) {
        return Ok(option);
    }
    let aliases = ALIASES.iter().filter(|(alias, _)| alias.starts_with(name)).filter_map(|(_, name)| by_long(name));
    let mut fitting: Vec<SbatchOption> =
        OPTIONS.iter().filter(|option| option.long.starts_with(name)).copied().chain(aliases).collect();
    fitting.dedup();
    match fitting.as_slice() {
        [only] => Ok(*only),
        [] => Err(Fault::Unknown(excerpt(&format!("--{name}")))),
        several => {
            let names: Vec<String> = several.iter().map(|option| format!("--{}", option.long)).collect();
            Err(Fault::Ambiguous { name: name.to_owned(), candidates: names.join(", ") })
        }
    }
}

const fn value(long: &'static str, short: Option<char>) -> SbatchOption {
    SbatchOption { long, short, takes: Takes::Value }
}

const fn flag(long: &'static str, short: Option<char>) -> SbatchOption {
    SbatchOption { long, short, takes: Takes::Nothing }
}

const fn maybe(long: &'static str, short: Option<char>) -> SbatchOption {
    SbatchOption { long, short, takes: Takes::MaybeValue }
}
