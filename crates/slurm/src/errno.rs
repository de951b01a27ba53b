//! Slurm's error numbers, as its REST API shows them.

use std::fmt;

/// A number of Slurm's own, with the text that goes with it. Unknown numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! numbers {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            /// The text that Slurm prints for the number.
            pub fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "Unspecified error",
                }
            }
        }
    };
}

numbers! {
    NONE = 0, "No error";
    GENERAL = -1, "Unspecified error";
    INVALID_ARGUMENT = 22, "Invalid argument";
    UNEXPECTED_MESSAGE = 1000, "Unexpected message received";
    PROTOCOL_VERSION = 1005, "Incompatible versions of client and server code";
    AUTHENTICATION = 1007, "Protocol authentication error";
    CONTROLLER_CONNECT = 1800, "Unable to contact slurm controller (connect failure)";
    CONTROLLER_RECEIVE = 1802, "Unable to contact slurm controller (receive failure)";
    BUSY = 1804, "Rate limit exceeded, please retry momentarily";
    NO_CHANGE = 1900, "Data has not changed since time specified";
    INVALID_PARTITION = 2000, "Invalid partition name specified";
    ACCESS_DENIED = 2002, "Access/permission denied";
    PARTITION_GROUP = 2003, "User's group not permitted to use this partition";
    NODES_NOT_IN_PARTITION = 2004, "Requested nodes not in this partition";
    MISSING_SCRIPT = 2009, "Job script not specified";
    USER_ID = 2010, "Invalid user id";
    PATH_NAME_TOO_LONG = 2012, "Pathname of a file, directory or other parameter too long";
    NODE_CONFIGURATION = 2014, "Requested node configuration is not available";
    PARTITION_CONFIGURATION = 2015, "Requested partition configuration not available now";
    NODES_BUSY = 2016, "Requested nodes are busy";
    INVALID_JOB_ID = 2017, "Invalid job id specified";
    INVALID_NODE_NAME = 2018, "Invalid node name specified";
    WRITING_SCRIPT = 2019, "I/O error writing script/environment to file";
    NOT_ALTERABLE_NOW = 2020, "Job can not be altered now, try again later";
    ALREADY_DONE = 2021, "Job/step already completing or completed";
    JOB_PENDING = 2024, "Job is pending execution";
    STANDBY = 2027, "Slurm backup controller in standby mode";
    INVALID_NODE_STATE = 2028, "Invalid node state specified";
    INVALID_FEATURE = 2029, "Invalid feature specification";
    ACTIVE_FEATURES = 2031, "Active features not subset of available features";
    NOT_SUPPORTED = 2036, "Requested operation not supported on this system";
    DISABLED = 2037, "Requested operation is presently disabled";
    DEPENDENCY = 2038, "Job dependency problem";
    HELD = 2042, "Job is in held state, pending scheduler release";
    INVALID_ACCOUNT = 2045, "Invalid account or account/partition combination specified";
    INVALID_PARENT_ACCOUNT = 2046, "Invalid parent account specified";
    SAME_PARENT_ACCOUNT = 2047, "Account name is the same as the parent's";
    INVALID_LICENSES = 2048, "Invalid license specification";
    ACCOUNTING_POLICY = 2050, "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)";
    INVALID_TIME_LIMIT = 2051, "Requested time limit is invalid (missing or exceeds some limit)";
    RESERVATION_ACCESS = 2052, "Access denied to requested reservation";
    INVALID_RESERVATION = 2053, "Requested reservation is invalid";
    INVALID_TIME = 2054, "Invalid time specified";
    RESERVATION_BUSY = 2055, "Requested reservation is in use";
    INVALID_WCKEY = 2057, "Invalid wckey specification";
    RESERVATION_OVERLAP = 2058, "Requested reservation overlaps with another reservation";
    NO_WORKING_DIRECTORY = 2063, "Job cannot be submitted without the current working directory specified.";
    INVALID_QOS = 2066, "Invalid qos specification";
    PARTITION_NOT_AVAILABLE = 2070, "Required partition not available (inactive or drain)";
    INVALID_GRES = 2072, "Invalid generic resource (gres) specification";
    JOB_NOT_PENDING = 2073, "Job is no longer pending execution";
    PARTITION_IN_USE = 2075, "Partition is in use";
    JOB_SUSPENDED = 2077, "Job is current suspended, requested operation disabled";
    INVALID_ARRAY = 2081, "Invalid job array specification";
    RESERVATION_NAME_DUP = 2082, "Duplicate reservation name";
    JOB_FINISHED = 2084, "Job has already finished";
    JOB_NOT_RUNNING = 2085, "Job is not running";
    JOB_NOT_SUSPENDED = 2087, "Job is not suspended";
    ENVIRONMENT_MISSING = 2127, "Environment is missing in job";
    STANDBY_OTHER = 2131, "Controller is in standby mode, try a different controller";
    JOB_ZERO = 2137, "JobID can not be zero";
    GROUP_UNKNOWN = 2164, "Unable to resolve group ID to group name";
    USER_UNKNOWN = 2166, "Unable to resolve user ID to user name";
    NODE_TABLE_FULL = 2169, "Unable to add node, node table is full";
    KILL_NOTHING = 2173, "Invalid signal jobs request, at least one job id or filter is required.";
    NODE_TRANSITION = 2180, "Invalid node state transition";
    DB_CONNECTION = 7000, "Unable to connect to database";
    JOBS_RUNNING_ON_ASSOC = 7001, "Job(s) active, cancel job(s) before remove";
    BAD_NAME = 7004, "Unacceptable name given";
    REST_INVALID_QUERY = 9000, "Query empty or not RFC7320 compliant";
    DATA_PATH_NOT_FOUND = 9200, "Unable to resolve path";
    DATA_CONVERSION = 9202, "Unable to convert Data type";
    DATA_INVALID_FLAG = 9207, "Data parser unable to parse invalid flag";
    DATA_EXPECTED_LIST = 9208, "Data parser expected a list";
    DATA_EXPECTED_OBJECT = 9209, "Data parser expected a dictionary or object";
    DATA_AMBIGUOUS_MODIFY = 9210, "Ambiguous modify request";
    DATA_INVALID = 9216, "Request to parse invalid data";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
