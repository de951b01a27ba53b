//! The fixed scripts that start a run, look at it and signal it, on this machine and on others alike.
//!
//! A run has a folder: `pid` says who watches over it (process id, when that started in ticks, the boot, and the machine: a name of
//! several machines leads to another one each time, and their folders are the same), `output` is what it says (`output.before` what it said before that), `code` how it ended. The folder's name is chosen before the run is started and can be made only once, so that a start
//! that is repeated starts nothing twice, and one whose outcome was not seen is found again.

use std::time::Duration;

use super::words;

/// Folder, the script that watches, then the words of the run. Says what `pid` says. Not started with `&`, with which a shell makes
/// what it starts deaf to interrupts for ever.
const START: &str = r#"d=$1; shift
case $d in /*) ;; *) d=${XDG_STATE_HOME:-$HOME/.local/state}/jobgate/autosubmit/$d;; esac
command -v setsid >/dev/null || { echo "there is no program setsid" >&2; exit 69; }
(umask 077; mkdir -p "${d%/*}" && mkdir "$d") || exit 75
i=$1; shift
setsid -f /bin/sh -c "$i" jobgate "$d" "$@" </dev/null >/dev/null 2>&1 || exit 69
n=0; while [ ! -f "$d/pid" ] && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.05; done
cat "$d/pid""#;

/// Folder, then the words of the run. Leads a session, outlives the signals that end its run, and notes how that ended.
const WATCH: &str = r#"d=$1; shift; u=$(umask); umask 077
set -- "$$ $(cut -d' ' -f22 /proc/$$/stat) $(cat /proc/sys/kernel/random/boot_id) $(uname -n)" "$@"
printf '%s\n' "$1" >"$d/pid.new"; shift
: >"$d/output"; umask "$u"
n=$#; while [ $n -gt 0 ]; do a=$(printf %b "$(printf %s "$1" | sed 's/_/\\0/g')w"); a=${a#w}; set -- "$@" "${a%w}"; shift; n=$((n-1)); done
trap : INT TERM; trap '' HUP
mv "$d/pid.new" "$d/pid"
"$@" </dev/null >>"$d/output" 2>&1; c=$?
echo $c >"$d/code.new"; mv "$d/code.new" "$d/code""#;

/// Folder. Says `absent`, `begins`, `alive PID`, `ended CODE`, `gone`, or `elsewhere HOST` of what cannot be looked at from here.
const LOOK: &str = r#"d=$1
case $d in /*) ;; *) d=${XDG_STATE_HOME:-$HOME/.local/state}/jobgate/autosubmit/$d;; esac
[ -d "$d" ] || { echo absent; exit; }
[ -f "$d/code" ] && { echo "ended $(cat "$d/code")"; exit; }
[ -f "$d/pid" ] || { echo begins; exit; }
read p s b h <"$d/pid"
if [ "$b" = "$(cat /proc/sys/kernel/random/boot_id)" ] && set -- x $(cat /proc/$p/stat 2>/dev/null) && [ "$4" != Z ] && [ "${23}" = "$s" ]
then echo "alive $p"; elif [ -f "$d/code" ]; then echo "ended $(cat "$d/code")"
elif [ -n "$h" ] && [ "$h" != "$(uname -n)" ]; then echo "elsewhere $h"; else echo gone; fi"#;

/// Folder and a signal's name. Signals all processes of a run's group, if the run is alive.
const SIGNAL: &str = r#"d=$1
case $d in /*) ;; *) d=${XDG_STATE_HOME:-$HOME/.local/state}/jobgate/autosubmit/$d;; esac
g=$2; read p s b h <"$d/pid" || exit 1
[ "$b" = "$(cat /proc/sys/kernel/random/boot_id)" ] && set -- x $(cat /proc/$p/stat) && [ "${23}" = "$s" ] && kill -s "$g" -- "-$p""#;

/// A process id and an expid, of a run that the original started: nobody noted more of it. Says `alive` or `gone`.
const LOOK_AT_FOREIGN: &str = r#"a=$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)
case " $a " in *[!a-z0-9]"$2"[!a-z0-9]*) echo alive;; *) echo gone;; esac"#;

/// The folder of all runs, the most bytes of output, and minutes. Of a longer output the last half stays, beside (`output.before`);
/// what a run says next goes on in `output`, to whose end it writes. Runs that ended so long ago are removed.
const TIDY: &str = r#"d=$1
case $d in /*) ;; *) d=${XDG_STATE_HOME:-$HOME/.local/state}/jobgate/autosubmit;; esac
cd "$d" 2>/dev/null || exit 0
umask 077
for r in *-*-*; do
  [ -d "$r" ] && [ ! -L "$r" ] || continue
  if [ -n "$(find "$r" -maxdepth 0 -mmin +"$3")" ]; then
    p= b= h=; [ ! -f "$r/pid" ] || read p s b h <"$r/pid"
    if [ -f "$r/code" ] || { [ "${h:-$(uname -n)}" = "$(uname -n)" ] &&
      { [ "$b" != "$(cat /proc/sys/kernel/random/boot_id)" ] || [ ! -d "/proc/$p" ]; }; }
    then rm -rf "$r"; continue; fi
  fi
  if [ -f "$r/output" ] && [ "$(wc -c <"$r/output")" -gt "$2" ]; then
    tail -c "$(($2/2))" "$r/output" >"$r/output.before" && : >"$r/output"
  fi
done"#;

/// A script with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) text: &'static str,
    pub(super) arguments: Vec<String>,
}

pub(super) fn start(folder: &str, argv: &[String]) -> Script {
    let words = argv.iter().map(|argument| words::encode(argument));
    let arguments = [folder.to_owned(), WATCH.to_owned()].into_iter().chain(words).collect();
    Script { text: START, arguments }
}

pub(super) fn look(folder: &str) -> Script {
    Script { text: LOOK, arguments: vec![folder.to_owned()] }
}

pub(super) fn look_at_foreign(pid: i64, expid: &str) -> Script {
    Script { text: LOOK_AT_FOREIGN, arguments: vec![pid.to_string(), expid.to_owned()] }
}

pub(super) fn signal(folder: &str, signal: &'static str) -> Script {
    Script { text: SIGNAL, arguments: vec![folder.to_owned(), signal.to_owned()] }
}

pub(super) fn tidy(folder: &str, output: u64, age: Duration) -> Script {
    let minutes = age.as_secs().div_ceil(60);
    Script { text: TIDY, arguments: vec![folder.to_owned(), output.to_string(), minutes.to_string()] }
}

/// What was seen of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was never begun
    Absent,
    /// It is just being begun
    Begins,
    /// It runs, watched over by this process
    Alive(i64),
    /// It ended with this exit code
    Ended(i32),
    /// It is gone, and nobody noted how it ended
    Gone,
    /// It was begun on this machine, which is not the one that looks
    Elsewhere(String),
}

/// Reads what [`look`] says; nothing if it says something else.
pub(super) fn seen(said: &str) -> Option<Seen> {
    let (word, number) = said.trim().split_once(' ').unwrap_or((said.trim(), ""));
    Some(match word {
        "absent" => Seen::Absent,
        "begins" => Seen::Begins,
        "alive" => Seen::Alive(number.parse().unwrap_or(0)),
        "ended" => Seen::Ended(number.trim().parse().ok()?),
        "gone" => Seen::Gone,
        "elsewhere" => Seen::Elsewhere(number.to_owned()),
        _ => return None,
    })
}

/// The process id that [`start`] says.
pub(super) fn pid(said: &str) -> Option<i64> {
    said.split_whitespace().next()?.parse().ok()
}
