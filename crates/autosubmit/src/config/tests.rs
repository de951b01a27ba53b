use std::fs;

use serde_json::{Map, Value, json};

use super::{Configuration, Factor, Origin, Processing, differences, load, python_text};
use crate::expid::{Expid, Places};
use crate::rc::{Environment, Rc};

/// An experiment `a000` with these files in its `conf`, and other files beside.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content.replace('@', folder.path().to_str().unwrap())).unwrap();
        }
        Self { folder }
    }

    fn load(&self) -> Result<Configuration, super::ConfigError> {
        let root = self.folder.path();
        fs::write(root.join("rc"), format!("[local]\npath = {0}\n[database]\npath = {0}\n", root.display())).unwrap();
        let variables = [("HOME", "/home/x"), ("USER", "alice"), ("AS_ENV_TEST", "envtest")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let environment = Environment { variables, working_directory: root.to_owned() };
        let rc = Rc::read(&root.join("rc"), &environment).unwrap();
        let expid = Expid::parse("a000").unwrap();
        let places = Places::of(&rc, &expid);
        let origin =
            Origin { rc: &rc, environment: &environment, expid: &expid, places: &places, description: Some("d") };
        load(origin).map(|loaded| loaded.configuration)
    }

    fn tree(&self) -> Map<String, Value> {
        let Configuration::Yaml(tree) = self.load().unwrap() else { panic!("INI") };
        let text = Value::Object(tree).to_string().replace(self.folder.path().to_str().unwrap(), "@");
        serde_json::from_str(&text).unwrap()
    }
}

const MINIMAL: &str = "DEFAULT: {EXPID: a000, HPCARCH: local}\n";

/// What the original (4.1.17.1) made of the same file.
#[test]
fn jobs_get_their_usual_form() {
    let jobs = r#"
jobs:
  a: {script: "x %DEFAULT.EXPID% %HPCARCH% %NOPE% %values.int%", WALLCLOCK: 01:00, dependencies: b c-1}
  b: {file: "one.sh, two.sh three.sh", WALLCLOCK: "01:02:03", notify_on: "completed failed", DEPENDENCIES: {A-1: {STATUS: "completed?", SPLITS: all}, c: {status: running}, d: {}, e: {}, f: {STATUS: COMPLETED}}}
  c: {file: ["x.sh","y.sh"], notify_on: [a,b], additional_files: [q, r], dependencies: [a, b]}
  d: {wallclock: 00:30:10, notify_on: "a, b", additional_files: "q r"}
  e: {for: {name: [x, y], dependencies: [{a: {}}, {e_x: {status: running}}], splits: [1, 2]}, custom_directives: ['#a', "it's", 5], notify_on: ""}
values: {int: 12, nest1: "%VALUES.NEST2%/x", nest2: "%DEFAULT.EXPID%/y", self: "%VALUES.SELF%x", none: ~, nullref: "%VALUES.NONE%",
  dictref: "%VALUES.D%", d: {k: 1}, listref: "%VALUES.L%", l: [a, 1], t: true, boolref: "%VALUES.T%", up: "%VALUES.W^^%-%VALUES.W,,%", alone: "%VALUES.W^^%", hat: "%^VALUES.W%", w: aB,
  low: "%default.expid%", twice: "%%DEFAULT.EXPID%%", percent: "100%% %x", unknown: "%EXPID%",
  empty: "", zero: 0, emptyref: "%VALUES.EMPTY%|%VALUES.ZERO%"}
"#;
    let site = Site::new(&[("a000/conf/minimal.yml", MINIMAL), ("a000/conf/jobs.yml", jobs)]);
    let tree = site.tree();
    let expected = json!({
        "A": {"SCRIPT": "x a000 LOCAL %NOPE% 12", "WALLCLOCK": "01:00", "DEPENDENCIES": {"B": {}, "C-1": {}}, "FILE": "", "ADDITIONAL_FILES": []},
        "B": {"FILE": "one.sh", "WALLCLOCK": "01:02", "NOTIFY_ON": ["COMPLETED", "FAILED"], "ADDITIONAL_FILES": ["two.sh three.sh"],
              "DEPENDENCIES": {"A-1": {"STATUS": "COMPLETED", "SPLITS": "all", "ANY_FINAL_STATUS_IS_VALID": true},
                               "C": {"STATUS": "RUNNING", "ANY_FINAL_STATUS_IS_VALID": true}, "D": {}, "E": {},
                               "F": {"STATUS": "COMPLETED", "ANY_FINAL_STATUS_IS_VALID": false}}},
        "C": {"FILE": "x.sh", "NOTIFY_ON": ["A", "B"], "ADDITIONAL_FILES": ["y.sh"], "DEPENDENCIES": {}},
        "D": {"WALLCLOCK": "00:30", "NOTIFY_ON": ["A", "B"], "ADDITIONAL_FILES": "q r", "DEPENDENCIES": {}, "FILE": ""},
        "E_X": {"NAME": "x", "DEPENDENCIES": {"A": {}}, "SPLITS": "1", "CUSTOM_DIRECTIVES": "['#a', \"it's\", 5]", "NOTIFY_ON": "", "FILE": "",
                "ADDITIONAL_FILES": []},
        "E_Y": {"NAME": "y", "DEPENDENCIES": {"E_X": {"STATUS": "RUNNING", "ANY_FINAL_STATUS_IS_VALID": true}}, "SPLITS": "2",
                "CUSTOM_DIRECTIVES": "['#a', \"it's\", 5]", "NOTIFY_ON": "", "FILE": "", "ADDITIONAL_FILES": []},
    });
    assert_eq!(tree["JOBS"], expected);
    let values = &tree["VALUES"];
    for (key, expected) in [
        ("NEST1", "a000/y/x"),
        ("NULLREF", "%VALUES.NONE%"),
        ("DICTREF", "{'K': 1}"),
        ("LISTREF", "['a', 1]"),
        ("BOOLREF", "True"),
        ("UP", "AB-ab"),
        ("ALONE", "%VALUES.W^^%"),
        ("HAT", "aB"),
        ("LOW", "a000"),
        ("TWICE", "%%DEFAULT.EXPID%%"),
        ("PERCENT", "100%% %x"),
        ("EMPTYREF", "%VALUES.EMPTY%|0"),
        ("UNKNOWN", "%EXPID%"),
    ] {
        assert_eq!(values[key], expected, "{key}");
    }
    // what names itself would grow without end in the original
    assert!(values["SELF"].as_str().unwrap().len() < 100);
}

#[test]
fn a_projects_folder_is_called_as_its_origin_where_nothing_else_is_said() {
    let origins = "GIT: {PROJECT_ORIGIN: 'https://x/y.git'}\nSVN: {PROJECT_URL: 'svn://x/z'}\nLOCAL: {PROJECT_PATH: /home/x/model}\n";
    for (project, folder) in [
        ("{PROJECT_TYPE: git}", "proj/project_files"),
        ("{PROJECT_TYPE: git, PROJECT_DESTINATION: here}", "proj/here"),
        ("{PROJECT_TYPE: GIT, PROJECT_DESTINATION: ''}", "proj/y"),
        ("{PROJECT_TYPE: svn, PROJECT_DESTINATION: ''}", "proj/z"),
        ("{PROJECT_TYPE: local, PROJECT_DESTINATION: ''}", "proj/model"),
        ("{PROJECT_TYPE: none, PROJECT_DESTINATION: ''}", "proj"),
    ] {
        let minimal = format!("{MINIMAL}PROJECT: {project}\n{origins}");
        // other files are read before anything says where the project is
        let other = "A: {B: '%PROJDIR%'}\n";
        let tree = Site::new(&[("a000/conf/minimal.yml", &minimal), ("a000/conf/other.yml", other)]).tree();
        assert_eq!(tree["PROJDIR"], format!("@/a000/{folder}"), "{project}");
        assert_eq!(tree["A"]["B"], "@/a000/proj/project_files", "{project}");
    }
}

#[test]
fn files_lie_over_each_other_in_the_original_order() {
    let site = Site::new(&[
        (
            "a000/conf/minimal.yml",
            "DEFAULT: {EXPID: a000, HPCARCH: mn5, CUSTOM_CONFIG: {PRE: [@/one.yml], POST: '%ROOTDIR%/../post.yml'}}\n\
                                   JOBS: {SIM: {FILE: a.sh, PLATFORM: mn5}}\nA: {ONE: minimal}\nHPCROOTDIR: dropped\nONLY: starter\n\
                                   PLATFORMS: {mn5: {TYPE: slurm, USER: u, PROJECT: p, SCRATCH_DIR: /s}}\n\
                                   WRAPPERS: {W: {TYPE: Vertical, JOBS_IN_WRAPPER: 'sim&post'}, V: {TYPE: x, JOBS_IN_WRAPPER: [SIM]}, POLICY: flexible}\n",
        ),
        ("a000/conf/conf2.yml", "A: {ONE: conf2, THREE: conf2}\nL: [1, 2]\n"),
        ("a000/conf/zz.yaml", "L: [3]\nAS_MISC: false\n"),
        ("a000/conf/misc.yml", "AS_MISC: true\nHIDDEN: 1\n"),
        ("a000/conf/x.txt", "HIDDEN: 1\n"),
        (
            "one.yml",
            "A: {ONE: custom, FOUR: custom}\nDEFAULT: {CUSTOM_CONFIG: @/nested.yml}\nJOBS: {SIM: {FILE: custom.sh, CUSTOM: 1}}\n",
        ),
        (
            "nested.yml",
            "NESTED: {X: '%DEFAULT.EXPID%'}\nA: {FIVE: nested, FOUR: nested}\nDEFAULT: {CUSTOM_CONFIG: @/one.yml}\n",
        ),
        ("post.yml", "A: {THREE: post}\nDEFAULT: {EXPID: wrong, EXTRA: 1}\n"),
    ]);
    let tree = site.tree();
    assert_eq!(tree["A"], json!({"ONE": "conf2", "THREE": "post", "FOUR": "custom", "FIVE": "nested"}));
    assert_eq!(
        tree["JOBS"]["SIM"],
        json!({"FILE": "custom.sh", "CUSTOM": 1, "PLATFORM": "mn5", "DEPENDENCIES": {}, "ADDITIONAL_FILES": []})
    );
    assert_eq!(
        (&tree["NESTED"], &tree["L"], &tree["ONLY"], tree.get("HIDDEN")),
        (&json!({"X": "a000"}), &json!([3]), &json!("starter"), None)
    );
    assert_eq!(
        tree["DEFAULT"],
        json!({"EXPID": "a000", "HPCARCH": "MN5", "EXTRA": 1, "DESCRIPTION": "d",
        "CUSTOM_CONFIG": {"PRE": "@/one.yml", "POST": "@/a000/../post.yml"}})
    );
    assert_eq!(
        tree["WRAPPERS"],
        json!({"W": {"TYPE": "vertical", "JOBS_IN_WRAPPER": ["SIM", "POST"]}, "V": {"TYPE": "x", "JOBS_IN_WRAPPER": ["SIM"]}, "POLICY": "flexible"})
    );
    assert_eq!(
        (&tree["HPCARCH"], &tree["HPCTYPE"], &tree["HPCROOTDIR"]),
        (&json!("MN5"), &json!("slurm"), &json!("/s/p/u/a000"))
    );
    assert_eq!((&tree["ROOTDIR"], &tree["PROJDIR"]), (&json!("@/a000"), &json!("@/a000/proj/project_files")));
    assert_eq!(
        (&tree["AS_ENV_CURRENT_USER"], &tree["AS_ENV_TEST"], &tree["CONFIG_FILE_FOUND"]),
        (&json!("alice"), &json!("envtest"), &json!(true))
    );
}

#[test]
fn loops_make_a_section_for_each_name() {
    let loops =
        "JOBS:\n  SIM: {FOR: {NAME: [a, b], N: [1, 2]}, FILE: '%NAME%.sh', PROCESSORS: '%N%'}\n  POST: {FILE: p}\n";
    let tree = Site::new(&[("a000/conf/minimal.yml", &format!("{MINIMAL}{loops}"))]).tree();
    let one = |file: &str, name: &str, n: &str| json!({"FILE": file, "PROCESSORS": "%N%", "NAME": name, "N": n, "DEPENDENCIES": {}, "ADDITIONAL_FILES": []});
    assert_eq!((&tree["JOBS"]["SIM_A"], &tree["JOBS"]["SIM_B"]), (&one("a.sh", "a", "1"), &one("b.sh", "b", "2")));
    assert_eq!(tree["JOBS"].get("SIM"), None);
    let short = format!("{MINIMAL}JOBS:\n  SIM: {{FOR: {{NAME: [a, b], N: [1]}}}}\n");
    assert!(Site::new(&[("a000/conf/minimal.yml", &short)]).load().unwrap_err().to_string().contains("FOR of SIM"));
}

/// What the original (4.1.17.1) made of the same file.
#[test]
fn unusual_words_are_taken_as_they_are() {
    let jobs = r#"
PLATFORMS: {MN5: {QUEUE: gp, PROCESSORS: 8, MAX_WALLCLOCK: 30, CF: many, PUE: 0}, EMPTY: {QUEUE: "", SERIAL_QUEUE: null}}
WRAPPERS: {QUEUE: wq, W: {TYPE: Vertical, JOBS_IN_WRAPPER: "[sim, 'post']"}, V: {JOBS_IN_WRAPPER: "sim & post"}}
EXPERIMENT: {CHUNKSIZE: 2.0, CHUNKSIZEUNIT: month}
CONFIG: {SAFETYSLEEPTIME: 2.5}
JOBS:
  A: {FILE: " a  b ", PLATFORM: "", QUEUE: null, DEPENDENCIES: "", NOTIFY_ON: "failed, all done", WALLCLOCK: 1:2:3}
  B: {FILE: [x.sh], PROCESSORS: "0", DEPENDENCIES: {A: {STATUS: ready}, C: {STATUS: running, ANY_FINAL_STATUS_IS_VALID: false}}, NOTIFY_ON: {failed: x}}
  C: {FILE: "a b,c", PROCESSORS: "20.5:4", QUEUE: 5, DEPENDENCIES: "A  b", WALLCLOCK: null, PLATFORM: empty}
"#;
    let types = "WRAPPERS: {V: {TYPE: Horizontal, JOBS_IN_WRAPPER: [sim, post]}}\n";
    let minimal = "DEFAULT: {EXPID: a000, HPCARCH: mn5}\n";
    let files = [("a000/conf/minimal.yml", minimal), ("a000/conf/jobs.yml", jobs), ("a000/conf/types.yml", types)];
    let site = Site::new(&files);
    let tree = site.tree();
    let expected = json!({
        "A": {"FILE": "", "PLATFORM": "", "QUEUE": null, "DEPENDENCIES": {"": {}}, "NOTIFY_ON": ["FAILED", "ALL DONE"],
              "WALLCLOCK": "1:2:3", "ADDITIONAL_FILES": ["a", "", "b", ""]},
        "B": {"FILE": "x.sh", "PROCESSORS": "0", "NOTIFY_ON": ["FAILED"], "ADDITIONAL_FILES": [],
              "DEPENDENCIES": {"A": {"STATUS": "READY", "ANY_FINAL_STATUS_IS_VALID": false},
                               "C": {"STATUS": "RUNNING", "ANY_FINAL_STATUS_IS_VALID": true}}},
        "C": {"FILE": "a", "PROCESSORS": "20.5:4", "QUEUE": 5, "DEPENDENCIES": {"A": {}, "": {}, "B": {}}, "WALLCLOCK": null,
              "PLATFORM": "empty", "ADDITIONAL_FILES": ["b"]},
    });
    assert_eq!(tree["JOBS"], expected);
    let (first, second) = (json!(["SIM", "POST"]), "horizontal");
    assert_eq!(
        (&tree["WRAPPERS"]["W"]["JOBS_IN_WRAPPER"], &tree["WRAPPERS"]["V"]["JOBS_IN_WRAPPER"]),
        (&first, &first)
    );
    assert_eq!(tree["WRAPPERS"]["V"]["TYPE"], second);
    let configuration = site.load().unwrap();
    let of = |section: &str| {
        (configuration.platform(section), configuration.queue(section, false), configuration.wallclock(section))
    };
    let texts = |texts: [&str; 3]| (texts[0].to_owned(), texts[1].to_owned(), texts[2].to_owned());
    assert_eq!(of("A"), texts(["MN5", "None", "1:2:3"]));
    assert_eq!(of("B"), texts(["MN5", "gp", "30"]));
    assert_eq!(of("C"), texts(["EMPTY", "5", "None"]));
    assert_eq!((configuration.own_platform("A"), configuration.queue("B", true)), (String::new(), "wq".to_owned()));
    let processors = |section: &str| configuration.processing(section).processors;
    assert_eq!((processors("A"), processors("B"), processors("C")), (1, 0, 72));
    assert_eq!((configuration.chunk_length().size, configuration.sleep_time()), (2, 2));
    let facts = configuration.platform_facts("B");
    assert_eq!((facts.carbon, facts.effectiveness), (Factor::Odd, Factor::Unknown));
}

#[test]
fn small_files_stay_small() {
    let large = |text: &str| {
        let site = Site::new(&[("a000/conf/a.yml", &format!("{MINIMAL}{text}"))]);
        matches!(site.load(), Err(super::ConfigError::Large))
    };
    let long = "l".repeat(60_000);
    let names: Vec<String> = (0..10_000).map(|number| format!("n{number}")).collect();
    assert!(large(&format!("A: {long}\nB: [{}]\n", "'%A%', ".repeat(10_000))));
    assert!(large(&format!("B: {{F: {{C: {long}, FOR: {{NAME: [{}]}}}}}}\n", names.join(", "))));
    assert!(large(&format!("B: {{F: {{C: '{}', FOR: {{NAME: [{long}]}}}}}}\n", "%NAME%".repeat(10_000))));
    assert!(!large(&format!("A: {long}\nB: [{}]\n", "'%A%', ".repeat(100))));
    // a pipe and a device hold nobody up
    let site = Site::new(&[("a000/conf/a.yml", MINIMAL)]);
    std::os::unix::fs::symlink("/dev/zero", site.folder.path().join("a000/conf/expdef_a000.conf")).unwrap();
    assert!(matches!(site.load(), Err(super::ConfigError::Read { .. })));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let failed = |files: &[(&str, &str)]| Site::new(files).load().unwrap_err().to_string();
    assert_eq!(failed(&[("x", "")]), "Experiment a000 does not exist");
    assert_eq!(failed(&[("a000/x", "")]), "Experiment a000/conf does not exist");
    assert!(failed(&[("a000/conf/a.yml", "a: 1\na: 2\n")]).starts_with("a.yml: found duplicate key \"a\""));
    assert_eq!(
        failed(&[("a000/conf/a.yml", "WRAPPERS: {W: {TYPE: vertical}}\n")]),
        "wrapper W lacks TYPE or JOBS_IN_WRAPPER"
    );
    assert!(failed(&[("a000/conf/expdef_a000.conf", "x = 1\n")]).contains("expdef_a000.conf: line 1"));
}

#[test]
fn ini_files_say_the_same_in_another_way() {
    let site = Site::new(&[
        (
            "a000/conf/expdef_a000.conf",
            "[DEFAULT]\nEXPID = a000\nHPCARCH = mn4\n[experiment]\nCHUNKSIZEUNIT = month\nCHUNKSIZE = 2\n[project]\nPROJECT_TYPE = git\n[git]\nPROJECT_ORIGIN = o\n",
        ),
        ("a000/conf/autosubmit_a000.conf", "[config]\nAUTOSUBMIT_VERSION = 3.14.0\n[wrapper]\nTYPE = vertical\n"),
        ("a000/conf/jobs_a000.conf", "[SIM]\nWALLCLOCK = 01:00\nPROCESSORS = 16:4\n[POST]\nPLATFORM = LOCAL\n"),
        ("a000/conf/platforms_a000.conf", "[mn4]\nQUEUE = q\nSERIAL_QUEUE = s\nMAX_WALLCLOCK = 48:00\n"),
        ("a000/conf/proj_a000.conf", "no section\n"),
    ]);
    let configuration = site.load().unwrap();
    assert_eq!((configuration.main_platform().as_deref(), configuration.version().as_str()), (Some("mn4"), "3.14.0"));
    assert_eq!((configuration.chunk_length().size, configuration.sleep_time()), (2, 10));
    assert_eq!(configuration.model(), ("o".into(), "master".into()));
    assert_eq!(configuration.wrapper_type().as_deref(), Some("VERTICAL"));
    assert_eq!((configuration.platform("SIM"), configuration.platform("POST")), ("mn4".into(), "LOCAL".into()));
    assert_eq!((configuration.processing("SIM").processors, configuration.queue("SIM", false)), (72, "q".into()));
    assert_eq!((configuration.queue("INI", false), configuration.queue("POST", false)), ("s".into(), String::new()));
    assert_eq!((configuration.wallclock("SIM"), configuration.wallclock("INI")), ("01:00".into(), "48:00".into()));
    let shown = configuration.shown();
    assert_eq!(shown["conf"]["wrapper"], json!({"TYPE": "vertical"}));
    assert_eq!(shown["exp"]["git"], json!({"PROJECT_ORIGIN": "o", "EXPID": "a000", "HPCARCH": "mn4"}));
    assert_eq!((&shown["proj"], &shown["contains_nones"]), (&json!({}), &json!(false)));
}

#[test]
fn processing_elements_fill_nodes() {
    let asked =
        |processors, tasks, nodes, per_node, exclusive| Processing { processors, tasks, nodes, per_node, exclusive };
    for (asked, expected) in [
        (asked(8, None, None, None, false), 8),
        (asked(8, Some(4), None, Some(4), false), 8),
        (asked(9, Some(4), None, Some(4), false), 12),
        (asked(8, None, Some(3), Some(16), false), 48),
        (asked(224, None, None, Some(112), false), 224),
        (asked(225, None, None, Some(112), false), 336),
        (asked(10, None, None, Some(112), false), 10),
        (asked(10, None, None, Some(112), true), 112),
    ] {
        assert_eq!(asked.elements(), expected, "{asked:?}");
    }
}

#[test]
fn differences_are_named_with_what_is_above_them() {
    let map = |value: Value| value.as_object().unwrap().clone();
    let now = map(json!({"A": {"B": 1, "C": {"D": "x"}}, "E": "4", "F": 1, "G": [1]}));
    let run = map(json!({"A": {"B": 1, "C": {"D": "y"}}, "E": 4, "G": [1], "H": 1}));
    assert_eq!(differences(&now, &run), ["A.C.D", "A.C", "A", "F"]);
    assert_eq!(python_text(&json!({"a": [1, null, true, "it's"]})), "{'a': [1, None, True, \"it's\"]}");
}
