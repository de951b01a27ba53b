//! What a running run is told: signals for its script, and a change of its row that its runner has to know of.
//!
//! A runner reads its run's row a second after the start of the script, whenever it gets a SIGURG, and before it obeys a signal
//! that stops the run. SIGURG is ignored by whoever does not expect it, so it can be sent to a runner at any time.

use rustix::process::{Pid, Signal};

use super::cluster::{Reach, UNLIMITED};
use super::queue::{self, Phase, Run};
use super::settings::LocalSettings;
use crate::execute::Orders;
use crate::execute::supervise::signal_group;
use crate::process::{Identity, Stat, children, descendants};

/// Sends a signal to a run's script, which is the child of this runner: to its whole process group, to the process of the script
/// alone, or to what `srun` has started in it. `false`: there is no script (any more).
pub(super) fn signal(runner: &Identity, signal: Signal, reach: Reach) -> bool {
    let Some(script) = script_of(runner) else { return false };
    match reach {
        Reach::Script => script.signal(signal),
        Reach::All => Pid::from_raw(script.pid).is_some_and(|group| signal_group(group, signal)),
        Reach::Steps => {
            let steps = descendants(script.pid).into_iter().filter(|process| crate::srun::is_srun(process.pid));
            for task in steps.flat_map(|step| descendants(step.pid)) {
                task.signal(signal);
            }
            true
        }
    }
}

/// What a run's row says that its runner has to do; `None` when it cannot be read now, or the run does not run.
pub(super) fn read(settings: &LocalSettings, run: i64) -> Option<Orders> {
    let found = queue::open_for_reading(&settings.state_dir)
        .and_then(|connection| Ok(queue::by_id(&connection, run)?))
        .map_err(|error| tracing::warn!(run, %error, "cannot read the run's row"));
    let run = found.ok()?.filter(|run| run.phase == Phase::Running)?;
    Some(Orders { minutes: minutes(&run), hand_back: run.stop.is_some() && !run.cancel })
}

/// The time limit from the start of the script on: the time that it stood still does not count.
fn minutes(run: &Run) -> i64 {
    if run.minutes >= UNLIMITED || run.suspended.is_some() {
        return UNLIMITED;
    }
    run.minutes.saturating_add((run.paused / 60.0).ceil() as i64)
}

/// The script leads a process group of its own and is a child of its runner.
fn script_of(runner: &Identity) -> Option<Identity> {
    let found = children(runner.pid).into_iter().find(Stat::leads_group)?;
    // Looked at afterwards: the children were this runner's, and not those of a later process with its number.
    runner.is_alive().then_some(found.identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::group_members;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// A stand-in for a runner: a shell whose child leads a group of its own, with a child of its own and an `srun` beside.
    const RUNNER: &str = r#"
        python3 -c '
import os, signal, subprocess, sys
os.setpgid(0, 0)
def told(number, frame): print(sys.argv[1], flush=True)
signal.signal(signal.SIGUSR1, told)
child = subprocess.Popen([sys.executable, "-c", "import signal, time\nsignal.signal(signal.SIGUSR1, lambda *a: print(chr(99), flush=True))\nprint(chr(114), flush=True)\nwhile True: time.sleep(9)"])
srun = subprocess.Popen(["srun", "60"], executable="sleep")
while True: signal.pause()
' s
    "#;

    #[test]
    fn signals_reach_the_group_or_the_script_and_never_srun() {
        let mut runner =
            Command::new("/bin/sh").args(["-c", RUNNER]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let identity = Identity::of(runner.id() as i32).unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("r"), "the script's child is ready");
        let script = script_of(&identity).unwrap();
        let srun = || group_members(script.pid).into_iter().find(|member| crate::srun::is_srun(member.pid));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while srun().is_none() {
            assert!(std::time::Instant::now() < deadline);
        }
        assert!(signal(&identity, Signal::USR1, Reach::Script));
        assert_eq!(lines.next().as_deref(), Some("s"));
        assert!(signal(&identity, Signal::USR1, Reach::All));
        let mut both = [lines.next().unwrap(), lines.next().unwrap()];
        both.sort();
        assert_eq!(both, ["c", "s"]);
        assert!(srun().is_some(), "SIGUSR1 would have killed it");
        assert!(signal(&identity, Signal::STOP, Reach::All) && signal(&identity, Signal::KILL, Reach::All));
        runner.wait().unwrap();
        assert!(!signal(&identity, Signal::USR1, Reach::All));
    }
}
