//! What messages are about: their numbers, and their names.

use std::fmt;

mod names;

/// What a message is about: its number. Slurm never gives a number another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $number:literal;)*) => {
        impl Kind {
            $($(#[$meta])* pub const $name: Self = Self($number);)*
        }
    };
}

kinds! {
    /// The configuration is to be read again.
    RECONFIGURE = 1003;
    /// Is the controller there?
    PING = 1008;
    /// Which licences are there?
    LICENSES = 1021;
    /// The answer: licences.
    LICENSES_ARE = 1022;
    /// What was said so far to a database is one thing.
    DBD_END = 1401;
    /// Which accounts are there?
    DBD_ACCOUNTS = 1409;
    /// Which associations are there?
    DBD_ASSOCIATIONS = 1410;
    /// Which clusters are there?
    DBD_CLUSTERS = 1412;
    /// Which users are there?
    DBD_USERS = 1415;
    /// The answer: accounts.
    DBD_ACCOUNTS_ARE = 1416;
    /// The answer: associations.
    DBD_ASSOCIATIONS_ARE = 1417;
    /// The answer: clusters.
    DBD_CLUSTERS_ARE = 1419;
    /// The answer: records of jobs.
    DBD_JOBS_ARE = 1421;
    /// The answer: users.
    DBD_USERS_ARE = 1423;
    /// The answer of an accounting database: a number of [`Errno`](crate::errno::Errno), and words; 0: done.
    DBD_RESULT = 1433;
    /// Which records of jobs are there?
    DBD_JOBS = 1444;
    /// Which qualities of service are there?
    DBD_QOS = 1448;
    /// The answer: qualities of service.
    DBD_QOS_ARE = 1449;
    /// Which workload keys are there?
    DBD_WCKEYS = 1453;
    /// The answer: workload keys.
    DBD_WCKEYS_ARE = 1454;
    /// How is the database configured?
    DBD_CONFIG = 1466;
    /// The answer: names and values.
    DBD_CONFIG_IS = 1467;
    /// Which trackable resources are there?
    DBD_TRES = 1486;
    /// The answer: trackable resources.
    DBD_TRES_ARE = 1487;
    /// What has the database counted?
    DBD_STATS = 1489;
    /// The answer: counters.
    DBD_STATS_ARE = 1490;
    /// Which instances are there?
    DBD_INSTANCES = 1503;
    /// The answer: instances.
    DBD_INSTANCES_ARE = 1504;
    /// How is the controller configured?
    CONFIG = 2001;
    /// The answer: the configuration.
    CONFIG_IS = 2002;
    /// Which jobs are there?
    JOBS = 2003;
    /// The answer: jobs.
    JOBS_ARE = 2004;
    /// Which nodes are there?
    NODES = 2007;
    /// The answer: nodes.
    NODES_ARE = 2008;
    /// Which partitions are there?
    PARTITIONS = 2009;
    /// The answer: partitions.
    PARTITIONS_ARE = 2010;
    /// How is this job? Answered as [`Kind::JOBS`].
    JOB = 2021;
    /// How are shares?
    SHARES = 2022;
    /// The answer: shares.
    SHARES_ARE = 2023;
    /// Which reservations are there?
    RESERVATIONS = 2024;
    /// The answer: reservations.
    RESERVATIONS_ARE = 2025;
    /// What has been counted?
    STATS = 2035;
    /// The answer: counters.
    STATS_ARE = 2036;
    /// In which states are jobs?
    STATES = 2057;
    /// The answer: states.
    STATES_ARE = 2058;
    /// A job is to change.
    UPDATE_JOB = 3001;
    /// Nodes are to change.
    UPDATE_NODES = 3002;
    /// A partition is to be made.
    CREATE_PARTITION = 3003;
    /// A partition is to be removed.
    DELETE_PARTITION = 3004;
    /// A partition is to change.
    UPDATE_PARTITION = 3005;
    /// A reservation is to be made.
    CREATE_RESERVATION = 3006;
    /// The answer: its name.
    RESERVATION_CREATED = 3007;
    /// A reservation is to be removed.
    DELETE_RESERVATION = 3008;
    /// A reservation is to change.
    UPDATE_RESERVATION = 3009;
    /// Nodes are to be removed.
    DELETE_NODES = 3014;
    /// Nodes are to be added.
    CREATE_NODES = 3015;
    /// A job is to be queued that gets no script: an allocation.
    ALLOCATE = 4001;
    /// The answer: its number.
    ALLOCATED = 4002;
    /// A job is to be queued.
    SUBMIT = 4003;
    /// The answer: its number.
    SUBMITTED = 4004;
    /// What was a job given of each node? Since 25.11.
    LAYOUT = 4007;
    /// The answer: what it was given.
    LAYOUT_IS = 4008;
    /// A heterogeneous job is to be queued that gets no script.
    ALLOCATE_HET = 4025;
    /// The answer: the numbers of its components.
    HET_ALLOCATED = 4026;
    /// A heterogeneous job is to be queued.
    SUBMIT_HET = 4028;
    /// A job is to be suspended, or to go on.
    SUSPEND = 5014;
    /// A job is to be put back into the queue.
    REQUEUE = 5023;
    /// A job is to get a signal.
    KILL = 5032;
    /// The answer: what came of each task of an array.
    TASKS_ANSWER = 5034;
    /// Many jobs are to get a signal.
    KILL_MANY = 5041;
    /// The answer: what came of it for each.
    KILLED = 5042;
    /// A conversation is to begin.
    GREETING = 6500;
    /// The answer: a number of [`Errno`](crate::errno::Errno); 0: done.
    RESULT = 8001;
    /// The answer: such a number, and words.
    RESULT_WITH_WORDS = 8002;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match names::of(self.0) {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slurms_and_unknown_ones_are_numbers() {
        assert_eq!(Kind::PING.to_string(), "REQUEST_PING");
        assert_eq!(Kind::RESULT.to_string(), "RESPONSE_SLURM_RC");
        assert_eq!(Kind(7).to_string(), "7");
    }
}
