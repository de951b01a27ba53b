use super::super::inventory::Stock;
use super::super::need::{Gpus, Memory};
use super::super::settings::{LocalSettings, NodeSettings, Partition};
use super::*;

mod cluster;

fn settings() -> LocalSettings {
    LocalSettings {
        cores: Some(4),
        memory: Some(8 << 30),
        gpus: Some(1),
        licences: [("matlab".to_owned(), 2)].into(),
        ..LocalSettings::new("/s", "/r")
    }
}

fn inventory(settings: &LocalSettings) -> Inventory {
    Stock::of(settings).unwrap().configured(0.0)
}

fn with(attributes: &[(&str, &str)]) -> JobSpec {
    let mut spec = JobSpec::new("x");
    for (key, value) in attributes {
        spec.attributes.insert(*key, *value);
    }
    spec
}

fn parsed(spec: &JobSpec) -> Result<Request, Error> {
    parse(spec, &BackendConfig::default(), &inventory(&settings()), 1000.0)
}

/// Cores, memory and GPUs of a run on one node.
fn scalars(request: &Request) -> (u64, u64, u64) {
    let need = &request.need;
    let memory = match need.memory {
        Memory::Unsaid => 0,
        Memory::PerNode(bytes) => bytes,
        Memory::PerCore(bytes) => bytes * need.cores(),
        Memory::AllOfNode => 8 << 30,
    };
    (need.cores(), memory, need.gpus())
}

#[test]
fn defaults() {
    let request = parsed(&with(&[])).unwrap();
    assert_eq!(request.need, Need { lenient: true, ..Need::default() });
    assert_eq!((request.minutes, request.priority, request.hold, request.requeue), (10, 0, false, false));
    assert_eq!((request.begin, request.dependency, request.clamped), (None, None, None));
    assert!(parsed(&with(&[("--constraint", "nvme"), ("time-min", "x")])).is_ok(), "what says nothing here is ignored");
}

#[test]
fn options_with_or_without_dashes() {
    let request = parsed(&with(&[("-H", ""), ("priority", "10"), ("--nice", "3"), ("requeue", "")])).unwrap();
    assert!(request.hold && request.requeue);
    assert_eq!(request.priority, 7);
    assert!(!parsed(&with(&[("hold", "false")])).unwrap().hold);
    assert!(parsed(&with(&[("nice", "very")])).unwrap_err().message().contains("nice"));
}

#[test]
fn memory() {
    let of = |key: &str, text: &str| parsed(&with(&[(key, text)])).map(|request| scalars(&request).1);
    assert_eq!(of("mem", "100").unwrap(), 100 << 20);
    assert_eq!(of("--mem", "2G").unwrap(), 2 << 30);
    assert_eq!(of("mem", "512k").unwrap(), 512 << 10);
    assert_eq!(of("mem", "0").unwrap(), 8 << 30);
    assert_eq!(of("mem", "1T").unwrap(), 8 << 30, "clamped");
    for bad in ["", "G", "-1", "1X", "99999999999999999999"] {
        assert!(of("mem", bad).is_err(), "{bad}");
    }
    let mut spec = with(&[("mem-per-cpu", "1G")]);
    spec.resources.cpu_cores_per_process = 3;
    assert_eq!(scalars(&parsed(&spec).unwrap()).1, 3 << 30);
}

#[test]
fn larger_than_the_machine() {
    let mut spec = with(&[]);
    spec.resources.process_count = Some(8);
    spec.resources.cpu_cores_per_process = 7;
    let request = parsed(&spec).unwrap();
    assert_eq!(request.need.cores(), 4);
    assert_eq!(request.clamped.unwrap(), "56 cores were asked for, this machine has 4: the run gets all of it");
    let strict = inventory(&LocalSettings { oversize: Oversize::Refuse, ..settings() });
    let error = parse(&spec, &BackendConfig::default(), &strict, 0.0).unwrap_err();
    assert!(error.message().starts_with("56 cores were asked for"), "{error}");
    spec.resources.gpu_cores_per_process = 1;
    spec.resources.cpu_cores_per_process = 1;
    assert_eq!(scalars(&parsed(&spec).unwrap()), (4, 0, 1));
    spec.resources.node_count = Some(8);
    spec.resources.process_count = None;
    spec.resources.processes_per_node = Some(36);
    assert_eq!(scalars(&parsed(&spec).unwrap()), (4, 0, 1), "imagined nodes say nothing on one machine");
}

#[test]
fn licences_and_partitions() {
    let request = parsed(&with(&[("licenses", "matlab:2")])).unwrap();
    assert_eq!(request.need.licences, [("matlab".to_owned(), 2)].into());
    for bad in ["matlab:3", "matlab:0", "other", "matlab:x", "matlab:1,matlab:2"] {
        assert!(parsed(&with(&[("L", ""), ("licenses", bad)])).is_err(), "{bad}");
    }
    assert_eq!(parsed(&with(&[("partition", "any")])).unwrap().partitions, [""; 0]);
    let fast = Partition { cores: Some(2), minutes: Some(30), priority: 5, ..Partition::default() };
    let machine = inventory(&LocalSettings { partitions: [("fast".to_owned(), fast)].into(), ..settings() });
    let of = |spec: &JobSpec| parse(spec, &BackendConfig::default(), &machine, 0.0);
    let mut spec = with(&[("-p", "fast")]);
    spec.resources.cpu_cores_per_process = 3;
    let request = of(&spec).unwrap();
    assert_eq!((request.priority, request.need.cores()), (5, 2));
    assert_eq!(request.partitions, ["fast"]);
    spec.resources.duration = 31;
    assert!(of(&spec).unwrap_err().message().contains("30 minutes"));
    assert!(of(&with(&[("partition", "slow")])).unwrap_err().message().contains("fast"));
}

#[test]
fn arrays() {
    let of = |text: &str| array(&with(&[("array", text)]));
    assert_eq!(array(&with(&[])).unwrap(), None);
    assert_eq!(of("0-3").unwrap(), Some((vec![0, 1, 2, 3], None)));
    assert_eq!(of("1,5,3-4%2").unwrap(), Some((vec![1, 3, 4, 5], Some(2))));
    assert_eq!(of("0-10:4").unwrap(), Some((vec![0, 4, 8], None)));
    for bad in ["", "x", "3-1", "0-3%0", "0-3%", "1-2:0", "-1", "0-10000", "0-4000000000", "1,,2"] {
        assert_eq!(of(bad).unwrap_err().number(), Some(Errno::INVALID_ARRAY.0), "{bad}");
    }
    let environment = array_environment(&with(&[("array", "2-8:3")]), "7.000", 5);
    let text: Vec<String> = environment.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        text.join(" ").replace("SLURM_ARRAY_", ""),
        "JOB_ID=7.000 TASK_ID=5 TASK_COUNT=3 TASK_MIN=2 TASK_MAX=8 TASK_STEP=3"
    );
}

#[test]
fn dependencies() {
    let of = |text: &str| parsed(&with(&[("dependency", text)])).map(|request| request.dependency.unwrap());
    let reached = |after, ids: &[&str]| {
        let target = |id: &&str| Target { id: (*id).to_owned(), minutes: 0 };
        Condition::Reached(after, ids.iter().map(target).collect())
    };
    let both = of("afterok:1.5:2.5,singleton").unwrap();
    assert_eq!(
        both,
        Dependency { all: true, conditions: vec![reached(After::Ok, &["1.5", "2.5"]), Condition::Singleton] }
    );
    let either = of("afternotok:1?afterany:2?after:3").unwrap();
    assert!(!either.all);
    assert_eq!(either.conditions[1], reached(After::Any, &["2"]));
    assert_eq!(of("aftercorr:12_*").unwrap().conditions, [reached(After::Corresponding, &["12_*"])]);
    let later = of("after:12_3+5").unwrap();
    assert_eq!(later.conditions, [Condition::Reached(After::Started, vec![Target { id: "12_3".into(), minutes: 5 }])]);
    for bad in [
        "",
        "afterok",
        "afterok:",
        "afterok:../x",
        "before:1",
        "after:1,after:2?after:3",
        "afterok:1,",
        "afterok:1+5",
        "after:1+x",
        "afterok:1_",
        "afterok:_1",
        "afterok:1.5_2",
    ] {
        assert_eq!(of(bad).unwrap_err().number(), Some(Errno::DEPENDENCY.0), "{bad}");
    }
}

#[test]
fn begin_times() {
    let of = |text: &str| times::point("begin", text, 1_000_000.0).map(|time| time as i64);
    assert_eq!(of("now").unwrap(), 1_000_000);
    assert_eq!(of("now+90").unwrap(), 1_000_090);
    assert_eq!(of("now+2hours").unwrap(), 1_007_200);
    assert_eq!(of("now + 1day").unwrap(), 1_086_400);
    let between = times::point("begin", "now+1", 1_000_000.75).unwrap();
    assert!((between - 1_000_001.75).abs() < 1e-6, "not early by the part of the second that has passed: {between}");
    assert_eq!(of("uts1000005").unwrap(), 1_000_005);
    assert_eq!(of("1970-01-13T00:00:00Z").unwrap(), 1_036_800);
    let day = of("1970-01-14").unwrap();
    assert_eq!(of("1970-01-14T01:30").unwrap() - day, 5400);
    assert_eq!(of("1970-01-14T01:30:00.250000").unwrap() - day, 5400);
    assert_eq!(of("01/14").unwrap(), day);
    let clock = of("13:20").unwrap();
    assert!((1_000_000..1_086_400).contains(&clock), "{clock}");
    for bad in ["", "soon", "now+", "now+x", "now-5", "NOW-5", "25:00", "2026-13-01"] {
        assert!(of(bad).is_err(), "{bad}");
    }
}
