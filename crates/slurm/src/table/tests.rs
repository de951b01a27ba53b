//! Properties of every object in every version, whatever is in it. What is in it is made from its own schema.

mod making;
mod shape;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use self::making::Maker;
use super::{Object, Problem, Reader, Schemas, Warning, Writer};
use crate::objects::*;
use crate::openapi;
use crate::operations::Plugin;
use crate::version::Version;

const NOW: i64 = 1_800_000_000;

/// An object of the API, without its type.
#[derive(Debug)]
struct Case {
    name: &'static str,
    /// Reads, renders, and says what was wrong on the way.
    pass: fn(Version, Value) -> Passed,
    schema: fn(&mut Schemas) -> Value,
    blank: fn(Version) -> Value,
}

#[derive(Debug)]
struct Passed {
    rendered: Value,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Passed {
    fn said(&self) -> Vec<String> {
        let problems = self.problems.iter().map(|problem| format!("{problem:?}"));
        problems.chain(self.warnings.iter().map(|warning| format!("{warning:?}"))).collect()
    }
}

fn render<T: Object>(version: Version, object: &T) -> Value {
    let mut out = Writer::new(version);
    out.object(object);
    serde_json::from_slice(&out.into_bytes()).unwrap()
}

fn pass<T: Object>(version: Version, value: Value) -> Passed {
    let zone = TimeZone::UTC;
    let mut reader = Reader::new(version, NOW, &zone);
    let object: T = reader.object(value);
    Passed { rendered: render(version, &object), problems: reader.problems, warnings: reader.warnings }
}

/// All objects in one version: each with its schema, and the schemas that those refer to.
struct Described {
    version: Version,
    objects: Vec<(&'static Case, Value)>,
    all: Map<String, Value>,
}

/// Names that mean something else in v0.0.40 than the table's object: a list, and objects described by hand.
const OTHERS_IN_40: [&str; 3] = ["rollup_stats", "ext_sensors_data", "power_mgmt_data"];

static EVERYTHING: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let described = |version| {
        let mut all = Schemas::new(version);
        let there = CASES.iter().filter(|case| version != Version::V40 || !OTHERS_IN_40.contains(&case.name));
        let objects = there.map(|case| (case, (case.schema)(&mut all))).collect();
        Described { version, objects, all: all.into_map() }
    };
    Version::ALL.into_iter().map(described).collect()
});

macro_rules! cases {
    ($($type:ident)*) => {
        const CASES: &[Case] = &[$(Case {
            name: $type::NAME,
            pass: pass::<$type>,
            schema: |all| all.top::<$type>(),
            blank: |version| render(version, &$type::default()),
        },)*];
    };
}

cases! {
    Account AccountShort Accounting AccountsAddCond AccountsAddCondResp AccountsAddCondRespStr AccountsRemovedResp
    AccountsResp AcctGatherEnergy AssocRecSet AssocSharesObjWrap Association AssociationShort AssocsRemovedResp AssocsResp
    BfExitFields Cluster ClustersRemovedResp ClustersResp ConfQuery ConfResp Controller ControllerPing Coordinator
    CreateNodeReq CronEntry DbdAccountQuery DbdAccountsQuery DbdConfResp DbdConfigResp DbdDeleteAssociationQuery
    DbdDeleteClusterQuery DbdInstanceQuery DbdJobsQuery DbdJobsResp DbdPing DbdPingResp DbdQosQuery DbdQosRemovedResp
    DbdQosResp DbdSingleQosQuery DbdStatsResp DbdUserQuery DbdUsersQuery DbdWckeysQuery DeleteJobQuery Diag DiagResp
    ErrorEntry ExitCode ExtSensorsData HostlistReqResp HostnamesReqResp Instance InstancesResp Job JobAllocRequest
    JobAllocResp JobArrayResponseMsgEntry JobDefaults JobDesc JobInfoResp JobModify JobModifyReq JobModifyResp
    JobPostResponse JobQuery JobRecord JobRequeueQuery JobRequeueResp JobResCore JobResNode JobResSocket JobResources
    JobSubmitRequest JobSubmitResponse JobSubmitResponseMsg JobsRequeueQuery JobsRequeueResp JobsStateQuery KillJobResp
    KillJobs KillJobsResp KillJobsRespJob License LicensesResp Meta Node NodeGresLayout NodeResourceLayout NodeUpdate
    NodesResp PartPrio Partition PartitionResp PartitionsModReq PingArrayResp Plain PortRange PowerMgmtData Qos Reservation
    ReservationCoreSpec ReservationDesc ReservationModReq ReservationModResp ReservationResp ResourceLayoutResp RollupStats
    RollupStatsV40 ScheduleExitFields SharesFloat128Tres SharesQuery SharesResp SharesRespMsg SharesUint64Tres SlurmConf
    SlurmConfMeta SlurmStepId SlurmdbPurgeUnits SlurmdbdConf StatsMsgRpcDump StatsMsgRpcQueue StatsMsgRpcType
    StatsMsgRpcUser StatsRec StatsRpc StatsUser StepRecord Tres TresResp User UserShort UsersAddCond UsersAddCondResp
    UsersAddCondRespStr UsersResp WarningEntry WcKey WcKeyRemovedResp WcKeyResp WcKeyTagStruct
}

/// The names of all tables in the sources.
fn tables() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/objects");
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        let source = std::fs::read_to_string(file.path()).unwrap();
        let mut table = false;
        for line in source.lines() {
            table = (table || line.starts_with("object! {")) && !line.starts_with('}');
            let name = line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase));
            if let Some(name) = name.and_then(|line| line.strip_suffix("\" {")).filter(|_| table) {
                names.insert(name.split('"').nth(1).unwrap().to_owned());
            }
        }
    }
    names
}

#[test]
fn no_table_is_forgotten() {
    let named: BTreeSet<String> = CASES.iter().map(|case| case.name.to_owned()).collect();
    let tables = tables();
    let missing: Vec<_> = named.symmetric_difference(&tables).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(named.len(), CASES.len());
}

#[test]
fn what_is_rendered_of_nothing_is_as_described() {
    let mut wrong = Vec::new();
    for Described { version, objects, all } in &*EVERYTHING {
        for (case, schema) in objects {
            shape::check(&(case.blank)(*version), schema, all, &format!("{version} {}", case.name), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A schema that is in the document is the one that the table gives: what holds of the tables holds of the documents.
#[test]
fn the_documents_have_the_schemas_of_the_tables() {
    for Described { version, all, .. } in &*EVERYTHING {
        let document = openapi::document(&[*version], &Plugin::ALL);
        let known = document["components"]["schemas"].as_object().unwrap();
        assert!(known.len() > 30, "{version}: only {}", known.len());
        for (name, schema) in known {
            assert_eq!(Some(schema), all.get(name), "{name}");
        }
    }
}

fn ask(case: &Case, version: Version, value: &Value) -> Passed {
    (case.pass)(version, value.clone())
}

/// Before v0.0.42 an object of which nothing is known is an empty one, which is then read as one with nothing set in it.
fn same(version: Version, before: &Value, after: &Value, wrong: &mut Vec<String>) {
    shape::survives(before, after, "", wrong);
    if version.number() >= 42 && before != after {
        wrong.push(format!("rendered again it is {after}"));
    }
}

proptest! {
    // a seed does not become simpler by being smaller
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing of what the document allows is warned of or lost, and what is rendered is read as what it was.
    #[test]
    fn rendering_and_reading_undo_each_other(seed in any::<u64>()) {
        for Described { version, objects, all } in &*EVERYTHING {
            for (case, schema) in objects {
                // queries have lists with commas between, which blanks and commas at the ends do not survive
                let plain = case.name.ends_with("_query");
                let value = Maker::new(seed, *version == Version::V40, plain).of(schema, all);
                let first = ask(case, *version, &value);
                let mut wrong = first.said();
                shape::survives(&value, &first.rendered, "", &mut wrong);
                shape::check(&first.rendered, schema, all, "", &mut wrong);
                same(*version, &first.rendered, &ask(case, *version, &first.rendered).rendered, &mut wrong);
                prop_assert!(wrong.is_empty(), "{version} {}: {wrong:#?} from {value}", case.name);
            }
        }
    }

    /// Anything at all may stand anywhere in a request: it is read somehow, and what is made of it is an object as described.
    #[test]
    fn hostile_values_make_objects_as_described(seed in any::<u64>()) {
        for Described { version, objects, all } in &*EVERYTHING {
            for (case, schema) in objects {
                let mut maker = Maker::new(seed, *version == Version::V40, false);
                let mut value = maker.of(schema, all);
                maker.spoil(&mut value);
                let first = ask(case, *version, &value);
                let mut wrong = Vec::new();
                shape::check(&first.rendered, schema, all, "", &mut wrong);
                let second = ask(case, *version, &first.rendered);
                wrong.extend(second.problems.iter().map(|problem| format!("{problem:?}")));
                same(*version, &first.rendered, &second.rendered, &mut wrong);
                prop_assert!(wrong.is_empty(), "{version} {}: {wrong:#?} from {value}", case.name);
            }
        }
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for case in CASES {
        for value in [json!([]), json!("x"), json!(1), json!(true)] {
            let passed = ask(case, Version::V45, &value);
            assert_eq!(passed.problems.len(), 1, "{} {value}", case.name);
        }
        assert!(ask(case, Version::V45, &Value::Null).problems.is_empty());
    }
}
