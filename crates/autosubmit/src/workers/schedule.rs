//! Which worker is due when, and which are switched off.

use std::time::Duration;

use serde_json::Value;

/// What the background does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Details of experiments
    Details,
    /// Which experiments run
    Status,
    /// Layouts of the graphs of those that run
    Graph,
}

impl Task {
    /// All of them, in the order in which the original does them at its start.
    pub const ALL: [Self; 3] = [Self::Details, Self::Status, Self::Graph];

    /// Its name in the API's YAML file.
    pub fn id(self) -> &'static str {
        match self {
            Self::Details => "TASK_POPDET",
            Self::Status => "TASK_STTSUPDTR",
            Self::Graph => "TASK_POPGRPH",
        }
    }

    /// Minutes between two times, unless the file says otherwise.
    fn minutes(self) -> u64 {
        match self {
            Self::Details => 240,
            Self::Status => 5,
            Self::Graph => 1440,
        }
    }
}

/// When each task is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Those that are switched on, with the time between
    pub tasks: Vec<(Task, Duration)>,
    /// Whether all that are switched on are done once when the server starts
    pub at_start: bool,
}

impl Schedule {
    /// From the API's YAML file (`BACKGROUND_TASKS.<ID>.{ENABLED,INTERVAL}`, minutes), and the two switches of the environment:
    /// `DISABLE_BACKGROUND_TASKS` and `RUN_BACKGROUND_TASKS_ON_START`. The first counts for both, where the original would crash.
    pub fn of(settings: &Value, disabled: bool, at_start: bool) -> Self {
        if disabled {
            return Self::default();
        }
        let of = |task: Task| {
            let said = &settings["BACKGROUND_TASKS"][task.id()];
            let minutes = said["INTERVAL"].as_u64().filter(|minutes| *minutes > 0).unwrap_or(task.minutes());
            (said["ENABLED"] != Value::Bool(false)).then(|| (task, Duration::from_secs(60 * minutes)))
        };
        Self { tasks: Task::ALL.into_iter().filter_map(of).collect(), at_start }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn periods_are_the_originals_unless_said() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let usual = Schedule::of(&Value::Null, false, true);
        let expected = [(Task::Details, minutes(240)), (Task::Status, minutes(5)), (Task::Graph, minutes(1440))];
        assert_eq!((usual.tasks.as_slice(), usual.at_start), (expected.as_slice(), true));
        let settings = json!({"BACKGROUND_TASKS": {
            "TASK_POPDET": {"ENABLED": false},
            "TASK_STTSUPDTR": {"INTERVAL": 1},
            "TASK_POPGRPH": {"ENABLED": true, "INTERVAL": "often"},
        }});
        let said = Schedule::of(&settings, false, false);
        assert_eq!(said.tasks, [(Task::Status, minutes(1)), (Task::Graph, minutes(1440))]);
        assert_eq!(Schedule::of(&settings, true, true), Schedule::default());
    }
}
