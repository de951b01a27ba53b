//! Runners: Autosubmit itself, driven here or on another machine over SSH, with the processes that run experiments kept in the
//! original's table.
//!
//! Whatever a user says is one argument of a program, never the text of a shell. All functions block, some of them for minutes; they
//! may be called from several threads and processes at once.

mod error;
mod loader;
mod order;
mod profile;
mod watch;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::databases::processes::{Entered, NewProcess, Process, ProcessStatus};
use crate::expid::Expid;
use crate::machine::{Call, Machine, MachineError, Said};
use crate::store::Store;
use watch::{Script, Seen};

pub use error::RunnerError;
use error::failed;
pub use loader::Loader;
pub use order::{NewExperiment, NewJobList, StatusChange};
pub use profile::{Endpoint, profiles, public_keys};

/// A command of Autosubmit may take so long; making the jobs of a large experiment takes minutes.
const COMMAND_TIME: Duration = Duration::from_secs(900);
/// A look or a signal may take so long.
const LOOK_TIME: Duration = Duration::from_secs(60);
/// `autosubmit stop` may take so long: it waits until Autosubmit has finished what it is at.
const STOP_TIME: Duration = Duration::from_secs(60);
/// So long a run has to end after it was stopped, and again after each signal.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The same for one that is stopped by force.
const FORCE_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at a run that is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A process that has no process id for so long was never started.
const BEGINNING: i64 = 300;

/// Where Autosubmit runs, and how it is found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    place: Place,
    loader: Loader,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Local,
    Ssh { host: String, user: Option<String>, port: u16 },
}

impl Runner {
    /// Runs here.
    pub fn local(loader: Loader) -> Self {
        Self { place: Place::Local, loader }
    }

    /// Runs on another machine. The port is 22 unless said.
    pub fn ssh(loader: Loader, host: &str, user: Option<&str>, port: Option<u64>) -> Result<Self, RunnerError> {
        let name = |text: &str, more: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            let right = !text.is_empty() && text.len() <= 255 && !text.starts_with('-') && text.chars().all(fits);
            right.then(|| text.to_owned()).ok_or(RunnerError::Host)
        };
        let user = user.map(|user| name(user, "._-@")).transpose()?;
        let port = u16::try_from(port.unwrap_or(22)).ok().filter(|port| *port > 0).ok_or(RunnerError::Host)?;
        Ok(Self { place: Place::Ssh { host: name(host, "._-:")?, user, port }, loader })
    }

    /// `LOCAL` or `SSH`.
    pub fn kind(&self) -> &'static str {
        match self.place {
            Place::Local => "LOCAL",
            Place::Ssh { .. } => "SSH",
        }
    }

    /// How Autosubmit is found.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// The runner of a row of the table.
    fn of_process(process: &Process) -> Result<Self, RunnerError> {
        let modules: Vec<&str> = process.modules.split('\n').collect();
        let loader = Loader::parse(&process.module_loader, Some(&json!(modules)))?;
        let extra = extra(process);
        match process.runner.as_str() {
            "LOCAL" => Ok(Self::local(loader)),
            "SSH" => {
                let host = extra["ssh_host"].as_str().ok_or(RunnerError::Host)?;
                Self::ssh(loader, host, extra["ssh_user"].as_str(), extra["ssh_port"].as_u64())
            }
            other => Err(RunnerError::Kind(other.to_owned())),
        }
    }

    /// What the table keeps of it besides: what the original reads, and where the run's folder is.
    fn extra(&self, host: &str, folder: &str) -> String {
        match &self.place {
            Place::Local => json!({"jobgate_host": host, "jobgate_run": folder}),
            Place::Ssh { host, user, port } => {
                json!({"ssh_host": host, "ssh_user": user, "ssh_port": port, "jobgate_run": folder})
            }
        }
        .to_string()
    }
}

fn extra(process: &Process) -> Value {
    process.runner_extra_params.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// What runners need to know of this installation.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// Where folders of local runs are: their process, output and exit code. Absolute
    pub folder: PathBuf,
    /// The name of this machine, by which others that share the table know that a local run is not theirs
    pub host: String,
    /// Local time of the table
    pub zone: Offset,
    /// More options for `ssh`, before ours: `-F FILE` for example
    pub ssh_options: Vec<String>,
    /// Bytes of output that are kept of a run
    pub run_output: u64,
    /// So long what a run left is kept after its end
    pub run_age: Duration,
}

/// Drives Autosubmit.
#[derive(Debug)]
pub struct Runners {
    store: Arc<Store>,
    machine: Arc<dyn Machine>,
    settings: RunnerSettings,
}

impl Runners {
    /// Runners that keep their processes in this store and run their programs on this machine.
    pub fn new(store: Arc<Store>, machine: Arc<dyn Machine>, settings: RunnerSettings) -> Self {
        Self { store, machine, settings }
    }

    /// The version of Autosubmit that a runner finds.
    pub fn version(&self, runner: &Runner) -> Result<String, RunnerError> {
        let said = self.command(runner, "-v", &["-v".to_owned()], b"", COMMAND_TIME)?;
        Ok(said.out.trim().to_owned())
    }

    /// Starts `autosubmit run`, and returns when it is started. It goes on when this process ends.
    pub fn run(&self, runner: &Runner, expid: &Expid) -> Result<Process, RunnerError> {
        let expid = order::acted_on(expid)?;
        let folder = self.new_folder(runner, expid);
        let new = NewProcess {
            expid: expid.to_owned(),
            runner: runner.kind(),
            module_loader: runner.loader.kind(),
            modules: runner.loader.modules().join("\n"),
            runner_extra_params: runner.extra(&self.settings.host, &folder),
        };
        let id = match self.store.enter_process(&new, &self.now())? {
            Entered::Row(id) => id,
            Entered::Active(active) => {
                if self.settle_one(&active)? {
                    return Err(RunnerError::Running(expid.to_owned()));
                }
                match self.store.enter_process(&new, &self.now())? {
                    Entered::Row(id) => id,
                    Entered::Active(_) => return Err(RunnerError::Running(expid.to_owned())),
                }
            }
        };
        let argv = runner.loader.argv(&order::run(expid), matches!(runner.place, Place::Ssh { .. }));
        let said = match self.script(&runner.place, watch::start(&folder, &argv)) {
            Ok(said) if said.code == Some(0) => said,
            Ok(said) => {
                self.store.end_process(id, ProcessStatus::Terminated, &self.now())?;
                return Err(failed("run", &said));
            }
            // it may run: whoever looks next finds out
            Err(error @ MachineError::Killed { .. }) => return Err(error.into()),
            Err(error) => {
                self.store.end_process(id, ProcessStatus::Terminated, &self.now())?;
                return Err(error.into());
            }
        };
        self.store.start_process(id, watch::pid(&said.out).unwrap_or(0), &self.now())?;
        self.last(&Expid::parse(expid).map_err(|_| RunnerError::Expid(expid.to_owned()))?)
    }

    /// Ends an experiment's run: asks Autosubmit to stop, which ends what it is at and leaves jobs that run. If the run does not end
    /// it is signalled, with all of its group. `force` does not wait for that.
    pub fn stop(&self, expid: &Expid, force: bool) -> Result<(), RunnerError> {
        let expid = order::acted_on(expid)?;
        let process = self.store.last_process(expid)?.ok_or_else(|| RunnerError::NoProcess(expid.to_owned()))?;
        if process.status != ProcessStatus::Active.name() || !self.settle_one(&process)? {
            return Err(RunnerError::NotRunning(expid.to_owned()));
        }
        let runner = Runner::of_process(&process)?;
        // it fails when it finds no process, or thinks that it is a zombie; what counts is whether the run ends
        let (time, patience, signals): (_, _, &[&str]) = if force {
            (STOP_PATIENCE, FORCE_PATIENCE, &["KILL", "KILL"])
        } else {
            (STOP_TIME, STOP_PATIENCE, &["INT", "TERM", "KILL"])
        };
        let told = self.command(&runner, "stop", &order::stop(expid, force), b"y\n", time).is_ok();
        let mut ended = self.ends(&process, patience, told)?;
        for signal in signals {
            if ended {
                break;
            }
            if let Some(folder) = extra(&process)["jobgate_run"].as_str() {
                drop(self.script(&runner.place, watch::signal(folder, signal)));
            }
            ended = self.ends(&process, patience, told)?;
        }
        if !ended {
            return Err(RunnerError::Immortal(expid.to_owned()));
        }
        self.store.end_process(process.id, ProcessStatus::Terminated, &self.now())?;
        Ok(())
    }

    /// The process that was started last for an experiment, as it is now. Nothing is written.
    pub fn last(&self, expid: &Expid) -> Result<Process, RunnerError> {
        let process = self.store.last_process(expid.as_str())?;
        let mut process = process.ok_or_else(|| RunnerError::NoProcess(expid.to_string()))?;
        if process.status == ProcessStatus::Active.name()
            && let Judged::Ended(status) = self.judge(&process)
        {
            status.name().clone_into(&mut process.status);
        }
        Ok(process)
    }

    /// Makes an experiment and returns its expid.
    pub fn create_experiment(&self, runner: &Runner, new: &NewExperiment) -> Result<String, RunnerError> {
        let said = self.command(runner, "expid", &order::create_experiment(new)?, b"", COMMAND_TIME)?;
        let both = [said.out, said.err].join("\n");
        order::created(&both).map(str::to_owned).ok_or(RunnerError::NoExpid)
    }

    /// Makes the list of an experiment's jobs. Returns what Autosubmit said.
    pub fn create_job_list(&self, runner: &Runner, expid: &Expid, how: NewJobList) -> Result<String, RunnerError> {
        let expid = order::acted_on(expid)?;
        Ok(self.command(runner, "create", &order::create_job_list(expid, how), b"", COMMAND_TIME)?.out)
    }

    /// Sets the states of jobs. Returns what Autosubmit said.
    pub fn set_status(&self, runner: &Runner, expid: &Expid, change: &StatusChange) -> Result<String, RunnerError> {
        let argv = order::set_status(order::acted_on(expid)?, change)?;
        Ok(self.command(runner, "setstatus", &argv, b"", COMMAND_TIME)?.out)
    }

    /// Changes what is said about an experiment.
    pub fn describe(&self, runner: &Runner, expid: &Expid, description: &str) -> Result<String, RunnerError> {
        let argv = order::describe(order::acted_on(expid)?, description)?;
        Ok(self.command(runner, "updatedescrip", &argv, b"", COMMAND_TIME)?.out)
    }

    /// Looks at all runs that the table says are active, and notes those that ended, and how; to be called from time to time, and
    /// first when a server starts. Returns how many ended. What cannot be looked at stays as it is.
    pub fn settle(&self) -> Result<usize, RunnerError> {
        let mut ended = 0;
        for process in self.store.active_processes()? {
            ended += usize::from(!self.settle_one(&process)?);
        }
        Ok(ended)
    }

    /// Shortens what runs have said if it is too long, and removes what runs left that ended long ago: here, and on other machines
    /// while something runs there. To be called from time to time.
    pub fn tidy(&self) -> Result<(), RunnerError> {
        let mut places = Vec::new();
        if self.settings.folder.is_dir() {
            places.push(Place::Local);
        }
        for process in self.store.active_processes()? {
            let place = Runner::of_process(&process).map(|runner| runner.place);
            places.extend(place.ok().filter(|place| *place != Place::Local && !places.contains(place)));
        }
        let mut outcome = Ok(());
        for place in &places {
            let folder = match place {
                Place::Local => self.settings.folder.to_string_lossy(),
                Place::Ssh { .. } => "".into(),
            };
            let script = watch::tidy(&folder, self.settings.run_output, self.settings.run_age);
            outcome = outcome.and(self.script(place, script).map(drop));
        }
        Ok(outcome?)
    }

    /// Whether a process that the table says is active still is; the table learns it if not.
    fn settle_one(&self, process: &Process) -> Result<bool, RunnerError> {
        match self.judge(process) {
            Judged::Active(pid) => {
                if let Some(pid) = pid.filter(|pid| process.pid == 0 && *pid > 0) {
                    self.store.start_process(process.id, pid, &self.now())?;
                }
                Ok(true)
            }
            // a state is not changed by who cannot see it
            Judged::Elsewhere(_) | Judged::Unseen(_) => Ok(true),
            Judged::Ended(status) => {
                self.store.end_process(process.id, status, &self.now())?;
                Ok(false)
            }
        }
    }

    fn judge(&self, process: &Process) -> Judged {
        let extra = extra(process);
        if let Some(host) = extra["jobgate_host"].as_str().filter(|host| *host != self.settings.host) {
            return Judged::Elsewhere(host.to_owned());
        }
        let place = match Runner::of_process(process) {
            Ok(runner) => runner.place,
            Err(_) => return Judged::Ended(ProcessStatus::Terminated),
        };
        let folder = extra["jobgate_run"].as_str();
        let script = match folder {
            Some(folder) => watch::look(folder),
            None => watch::look_at_foreign(process.pid, &process.expid),
        };
        let seen = self.script(&place, script).ok().filter(|said| said.code == Some(0));
        match (seen.and_then(|said| watch::seen(&said.out)), &place) {
            // a failed look changes nothing
            (None, _) => Judged::Active(None),
            (Some(Seen::Alive(pid)), _) => Judged::Active(Some(pid)),
            (Some(Seen::Elsewhere(host)), _) => Judged::Elsewhere(host),
            (Some(Seen::Ended(0)), _) => Judged::Ended(ProcessStatus::Completed),
            (Some(Seen::Absent | Seen::Begins), _) if process.pid == 0 && is_young(process) => Judged::Active(None),
            // the original does not note on which of the machines that are called so it has begun
            (Some(Seen::Gone), Place::Ssh { host, .. }) if folder.is_none() => Judged::Unseen(host.clone()),
            (Some(Seen::Ended(_) | Seen::Gone | Seen::Absent | Seen::Begins), _) => {
                Judged::Ended(ProcessStatus::Terminated)
            }
        }
    }

    /// Waits for a run's end, a little. `told`: Autosubmit says that it has stopped it, which counts where nobody can look.
    fn ends(&self, process: &Process, patience: Duration, told: bool) -> Result<bool, RunnerError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.judge(process) {
                Judged::Ended(_) => return Ok(true),
                Judged::Unseen(_) if told => return Ok(true),
                Judged::Elsewhere(host) | Judged::Unseen(host) => {
                    return Err(RunnerError::Elsewhere { expid: process.expid.clone(), host });
                }
                Judged::Active(_) => {}
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    fn command(
        &self,
        runner: &Runner,
        name: &str,
        arguments: &[String],
        input: &[u8],
        time: Duration,
    ) -> Result<Said, RunnerError> {
        let far = matches!(runner.place, Place::Ssh { .. });
        let argv = runner.loader.argv(arguments, far);
        let argv = match &runner.place {
            Place::Local => argv,
            Place::Ssh { .. } => self.ssh(&runner.place, r#"exec "$@""#, argv.iter().map(String::as_str)),
        };
        let said = self.machine.run(&Call { argv, input: input.to_owned(), time })?;
        if said.code == Some(0) { Ok(said) } else { Err(failed(name, &said)) }
    }

    fn script(&self, place: &Place, script: Script) -> Result<Said, MachineError> {
        let argv = match place {
            Place::Local => {
                let fixed = ["/bin/sh", "-c", script.text, "jobgate"].map(str::to_owned);
                fixed.into_iter().chain(script.arguments).collect()
            }
            Place::Ssh { .. } => self.ssh(place, script.text, script.arguments.iter().map(String::as_str)),
        };
        self.machine.run(&Call { argv, input: Vec::new(), time: LOOK_TIME })
    }

    /// Only hosts whose keys are known are talked to, and nobody is asked for a password.
    fn ssh<'a>(&self, place: &Place, script: &str, arguments: impl Iterator<Item = &'a str>) -> Vec<String> {
        let Place::Ssh { host, user, port } = place else { return Vec::new() };
        let mut argv = vec!["ssh".to_owned()];
        argv.extend(self.settings.ssh_options.iter().cloned());
        for option in ["BatchMode=yes", "ConnectTimeout=30", "StrictHostKeyChecking=yes", "ServerAliveInterval=15"] {
            argv.extend(["-o".to_owned(), option.to_owned()]);
        }
        argv.extend(["-T".to_owned(), "-p".to_owned(), port.to_string()]);
        if let Some(user) = user {
            argv.extend(["-l".to_owned(), user.clone()]);
        }
        argv.extend(["--".to_owned(), host.clone(), words::command_line(script, arguments)]);
        argv
    }

    /// A folder that no other run has: local ones by an absolute path, others by a name below the other side's state folder.
    fn new_folder(&self, runner: &Runner, expid: &str) -> String {
        let name = format!("{expid}-{}-{}", Timestamp::now().as_nanosecond(), std::process::id());
        match runner.place {
            Place::Local => self.settings.folder.join(name).to_string_lossy().into_owned(),
            Place::Ssh { .. } => format!("{}-{name}", self.settings.host),
        }
    }

    fn now(&self) -> String {
        let now = Timestamp::now().to_zoned(TimeZone::fixed(self.settings.zone));
        now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// Whether whoever entered a process may still be starting it.
fn is_young(process: &Process) -> bool {
    let created: Option<Timestamp> = process.created.parse().ok();
    created.is_some_and(|created| created.saturating_add(BEGINNING.seconds()).is_ok_and(|end| end > Timestamp::now()))
}

enum Judged {
    /// It runs, perhaps watched over by this process
    Active(Option<i64>),
    /// It is on another machine than those that can be asked
    Elsewhere(String),
    /// Its process is not where it was looked for; it may be on another machine of that name
    Unseen(String),
    Ended(ProcessStatus),
}
