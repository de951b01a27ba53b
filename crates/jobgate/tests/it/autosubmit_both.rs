//! The original and we beside each other, asked the same: what they say of themselves, what they do with the real Autosubmit, and
//! what they tell while it runs an experiment.

mod alike;
#[path = "../../../autosubmit/tests/postgres/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jobgate_autosubmit::expid::Expid;
use serde_json::{Value, json};

use crate::fixture::experiments::Experiments;
use crate::fixture::http::Body;
use crate::fixture::peer::Original;
use crate::fixture::{Client, Gateway, skip, wait_for};
use alike::{agree, canonical};
use server::Server;

/// Longer than anything of Autosubmit's takes on a busy machine.
const LONG: Duration = Duration::from_secs(240);

/// Both servers, without protection, on one site: the original, then ours.
fn both(site: &Experiments) -> (Original, Gateway) {
    let mut variables = site.variables();
    variables.extend([("PROTECTION_LEVEL", "NONE".to_owned()), ("TZ", "UTC".to_owned())]);
    // where to look for more modules, if somebody says so
    variables.extend(std::env::var("PYTHONPATH").ok().map(|path| ("PYTHONPATH", path)));
    let original = Original::start(&site.home, site.peer(), &variables);
    let mut command = site.home.command(&["autosubmit", "start", "--disable-bg-tasks", "-b", "127.0.0.1:0"]);
    let gateway = Gateway::spawn(&site.home, command.envs(variables));
    (original, gateway)
}

/// What a document says of its operations, with all types in their places and no words for people.
fn operations(document: &Value) -> Value {
    const METHODS: [&str; 2] = ["get", "post"];
    let types = &document["components"]["schemas"];
    let resolved = |value: &Value| plain(value, types);
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, operations): (&String, &Value)| {
        let of = |method: &&str| {
            let operation = operations.get(*method)?;
            let mut parameters: Vec<Value> =
                operation["parameters"].as_array().into_iter().flatten().map(resolved).collect();
            parameters.sort_by_key(Value::to_string);
            let told = &operation["responses"]["200"]["content"];
            let statuses: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
            let shown = json!({
                "id": operation["operationId"], "tags": operation["tags"], "security": operation["security"],
                "parameters": parameters, "body": resolved(&operation["requestBody"]), "answer": resolved(told),
                "statuses": statuses,
            });
            Some((format!("{method} {path}"), shown))
        };
        METHODS.iter().filter_map(of).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

fn plain(value: &Value, types: &Value) -> Value {
    const WORDS: [&str; 5] = ["title", "description", "example", "examples", "additionalProperties"];
    match value {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str) {
                return plain(&types[name.rsplit('/').next().unwrap()], types);
            }
            if let Some([one]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
                return plain(one, types);
            }
            let kept = |(key, _): &(&String, &Value)| {
                !WORDS.contains(&key.as_str()) || object.contains_key("enum") && *key == "enum"
            };
            // names of fields may be such words
            let fields = |key: &str, value: &Value| match (key, value) {
                ("properties", Value::Object(fields)) => {
                    Value::Object(fields.iter().map(|(name, kind)| (name.clone(), plain(kind, types))).collect())
                }
                _ => plain(value, types),
            };
            object.iter().filter(kept).map(|(key, value)| (key.clone(), fields(key, value))).collect()
        }
        Value::Array(list) => list.iter().map(|one| plain(one, types)).collect(),
        // Python writes whole numbers with a point where they bound any number
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}

#[test]
fn the_documents_describe_the_same_operations() {
    let Some(site) = Experiments::new() else { return };
    let (original, gateway) = both(&site);
    let mut theirs = operations(&original.client().get("/openapi.json").json());
    let ours = operations(&gateway.client().get("/openapi.json").json());
    // a listing of nothing has no page, and that is what is told
    for operation in ["get /v4/experiments", "get /v4/experiments/{expid}/jobs"] {
        let pages = "/answer/application~1json/schema/properties/pagination/properties/total_pages/minimum";
        let place = theirs[operation].pointer_mut(pages).unwrap();
        assert_eq!(place.take(), 1.0);
        *place = 0.0.into();
    }
    let (theirs, ours) = (theirs.as_object().unwrap(), ours.as_object().unwrap());
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    assert!(theirs.len() > 60, "only {}", theirs.len());
    for (name, operation) in theirs {
        assert_eq!(ours[name], *operation, "{name}");
    }
}

#[test]
fn wrong_methods_are_told_the_same() {
    let Some(site) = Experiments::new() else { return };
    let (original, gateway) = both(&site);
    let mut clients = [original.client(), gateway.client()];
    let document = clients[0].get("/openapi.json").json();
    let documents = ["/docs", "/redoc", "/openapi.json", "/nope"].map(str::to_owned);
    for path in document["paths"].as_object().unwrap().keys().chain(&documents) {
        let path = path.replace(['{', '}'], "");
        for method in ["DELETE", "PUT", "OPTIONS"] {
            let [theirs, ours] = clients.each_mut().map(|client| {
                let answer = client.ask(method, &path, &[], &Body::None);
                // a set of Python's, whose order changes from process to process
                let allow =
                    answer.header("allow").map(|allow| allow.split(", ").map(str::to_owned).collect::<BTreeSet<_>>());
                (answer.status, allow, answer.text())
            });
            assert_eq!(ours, theirs, "{method} {path}");
        }
    }
}

/// The site's file: one profile, and what `/v4alpha` may use.
fn permit(site: &Experiments) {
    let venv = site.venv();
    let file = format!(
        "RUNNER_CONFIGURATION:\n  PROFILES:\n    HERE: {{RUNNER_TYPE: LOCAL, MODULE_LOADER_TYPE: VENV, MODULES: {venv}}}\n\
         RUNNERS:\n  LOCAL:\n    ENABLED: true\n    MODULE_LOADERS:\n      VENV: {{ENABLED: true, SAFE_ROOT_PATH: {venv}}}\n"
    );
    fs::write(site.home.path("api.yaml"), file).unwrap();
}

/// An answer without what differs from experiment to experiment and from run to run.
fn told(answer: (u16, Value), expids: &[&str]) -> (u16, Value) {
    let (status, mut body) = answer;
    if let Some(object) = body.as_object_mut() {
        for (key, value) in object.iter_mut() {
            match value {
                Value::Number(_) if key == "pid" || key == "runner_id" => *value = "a number".into(),
                Value::String(text) if key == "created" || key == "modified" => {
                    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
                    *text = text.split('.').next().unwrap().chars().map(digits).collect();
                }
                Value::String(text) => {
                    for expid in expids {
                        *text = text.replace(expid, "EXPID");
                    }
                }
                _ => {}
            }
        }
    }
    (status, body)
}

#[test]
fn commands_do_and_tell_the_same() {
    let Some(site) = Experiments::new() else { return };
    permit(&site);
    // Autosubmit stops when its jobs have ended
    let jobs = "  LONG: {SCRIPT: 'sleep 40', RUNNING: once, WALLCLOCK: '00:15'}\n  \
                NEXT: {SCRIPT: 'true', DEPENDENCIES: LONG, RUNNING: once, WALLCLOCK: '00:05'}\n";
    let made = [[site.make(jobs), site.make(jobs)], [site.make(jobs), site.make(jobs)]];
    let (original, gateway) = both(&site);
    let mut clients = [original.client(), gateway.client()];
    for client in &mut clients {
        client.timeout = LONG;
    }
    let venv = site.venv();
    let named = json!({"runner": "LOCAL", "module_loader": "VENV", "modules": venv});
    let with = |base: &Value, more: Value| {
        let mut both = base.as_object().unwrap().clone();
        both.extend(more.as_object().unwrap().clone());
        Value::Object(both)
    };
    let profile = json!({"profile_name": "HERE"});
    let mut new = Vec::new();
    let mut answers = Vec::new();
    for (client, [first, second]) in clients.iter_mut().zip(&made) {
        let mut tell = |path: &str, body: Value| {
            let answer = client.post(path, &body);
            (answer.status, answer.json())
        };
        let v4 = |command: &str| format!("/v4/runners/command/{command}");
        let alpha = |expid: &Expid, command: &str| format!("/v4alpha/experiments/{expid}/{command}");
        let parameters = json!({"description": "one", "minimal": true, "hpc": "LOCAL", "testcase": true});
        let made = [
            tell(&v4("create-experiment"), with(&profile, json!({"command_params": parameters}))),
            tell("/v4alpha/runner-create-experiment", with(&named, parameters)),
        ];
        let ids = made.each_ref().map(|(_, body)| body["expid"].as_str().unwrap_or_default().to_owned());
        let names = [first.as_str(), second.as_str(), ids[0].as_str(), ids[1].as_str()];
        let of_first = with(&profile, json!({"expid": first.as_str()}));
        let change = json!({"job_names_list": [format!("{first}_NEXT")], "final_status": "COMPLETED"});
        let mut said = made.map(|answer| told(answer, &names)).to_vec();
        for (path, body) in [
            (v4("update-experiment-description"), with(&of_first, json!({"description": "it's \"another\""}))),
            (alpha(first, "create-job-list"), with(&named, json!({"force": true, "check_wrapper": null}))),
            (v4("set-job-status"), with(&of_first, json!({"command_params": change}))),
            (alpha(first, "set-job-status"), with(&named, with(&change, json!({"final_status": "WAITING"})))),
            (v4("run-experiment"), of_first.clone()),
            (v4("get-runner-run-status"), json!({"expid": first.as_str()})),
            (alpha(first, "run-experiment"), named.clone()),
            (v4("stop-experiment"), json!({"expid": first.as_str()})),
            (alpha(second, "run-experiment"), named.clone()),
            (alpha(second, "stop-experiment"), json!({})),
            (v4("create-experiment"), with(&profile, json!({"command_params": {}}))),
            (v4("run-experiment"), json!({"profile_name": "NONE", "expid": first.as_str()})),
            (v4("run-experiment"), json!({"expid": first.as_str()})),
        ] {
            if path.ends_with("stop-experiment") {
                let (list, expid) = (site.site(), if path.starts_with("/v4alpha") { second } else { first });
                wait_for("the job", LONG, || (list.jobs(expid).ok()?.jobs()[0].status.code() == 4).then_some(()));
            }
            let (status, body) = told(tell(&path, body), &names);
            said.push((
                status,
                json!({"path": names.iter().fold(path, |path, name| path.replace(name, "EXPID")), "told": body}),
            ));
        }
        new.push(ids);
        answers.push(said);
    }
    for (theirs, ours) in answers[0].iter().zip(&answers[1]) {
        assert_eq!(theirs, ours);
    }
    let done: Vec<u16> = answers[1].iter().map(|(status, _)| *status).collect();
    assert_eq!(done, [vec![200; 8], vec![400], vec![200; 3], vec![400, 500, 422]].concat(), "{:#?}", answers[1]);
    assert!(new.iter().flatten().all(|expid| site.root().join(expid).is_dir()), "{new:?}");
    // the same rows, told by either
    for expid in made.iter().flatten() {
        let [theirs, ours] = clients
            .each_mut()
            .map(|client| client.get(&format!("/v4alpha/experiments/{expid}/get-runner-status")).json());
        assert_eq!(theirs, ours);
        assert_eq!(ours["status"], "TERMINATED");
    }
    let query = format!("/v4alpha/runner-detail?runner=LOCAL&module_loader=VENV&modules={venv}");
    let [theirs, ours] = clients.each_mut().map(|client| client.get(&query).json());
    assert_eq!(theirs, ours);
    assert!(ours["version"].as_str().unwrap().contains("4.1.17"), "{ours}");
    let [theirs, ours] = clients.each_mut().map(|client| {
        let answer = client.get("/v4alpha/runner-detail?runner=LOCAL&module_loader=CONDA&modules=x");
        (answer.status, answer.json())
    });
    assert_eq!(theirs, ours);
}

/// Views of an experiment `E` with a job `J`.
const VIEWS: [&str; 27] = [
    "/v4/experiments?only_active=false",
    "/v4/experiments/E",
    "/v4/experiments/E/jobs",
    "/v4/experiments/E/jobs?view=quick&status=COMPLETED",
    "/v4/experiments/E/jobs/J",
    "/v4/experiments/E/jobs/J/parents?include_status=true",
    "/v4/experiments/E/jobs/J/children?include_status=true",
    "/v4/experiments/E/runs",
    "/v4/experiments/E/runs/1/config",
    "/v4/experiments/E/eta",
    "/v3/running/",
    "/v3/search/E",
    "/v3/expinfo/E",
    "/v3/expcount/E",
    "/v3/ifrun/E",
    "/v3/tree/E",
    "/v3/graph/E/standard/none",
    "/v3/graph/E/standard/status",
    "/v3/quick/E",
    "/v3/pklinfo/E/0",
    "/v3/pkltreeinfo/E/0",
    "/v3/summary/E",
    "/v3/performance/E",
    "/v3/runs/E",
    "/v3/rundetail/E/1",
    "/v3/history/E/J",
    "/v3/exprun/E",
];

/// A view of an experiment, of one of its jobs where it is of one.
fn path_of(view: &str, expid: &str, job: &str) -> String {
    view.replace("/E", &format!("/{expid}")).replace("/J", &format!("/{job}"))
}

fn ask(client: &mut Client, path: &str) -> Value {
    let answer = client.get(path);
    json!({"status": answer.status, "body": canonical(&answer.json())})
}

#[test]
fn both_tell_the_same_while_autosubmit_runs_an_experiment() {
    let Some(site) = Experiments::new() else { return };
    let jobs = "  INI: {SCRIPT: 'sleep 2', RUNNING: member, WALLCLOCK: '00:05'}\n  \
                SIM: {SCRIPT: 'echo sim; sleep 6', DEPENDENCIES: INI SIM-1, RUNNING: chunk, WALLCLOCK: '00:05'}\n  \
                POST: {SCRIPT: 'echo post; sleep 1', DEPENDENCIES: SIM, RUNNING: chunk, WALLCLOCK: '00:05'}\n";
    let expid = site.make(jobs);
    let (original, gateway) = both(&site);
    let (mut theirs, mut ours) = (original.client(), gateway.client());
    let log = fs::File::create(site.home.path("run.log")).unwrap();
    let mut command = site.program("autosubmit");
    command.args(["-lc", "WARNING", "run", expid.as_str()]);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut run = command.spawn().unwrap();
    let job = format!("{expid}_20000101_fc0_1_SIM");
    let (mut moments, mut states) = (0, std::collections::BTreeSet::new());
    let end = Instant::now() + LONG;
    let mut left = None;
    // once more when it has ended
    while left != Some(true) {
        assert!(Instant::now() < end, "the run does not end");
        left = left.map(|_| true).or_else(|| run.try_wait().unwrap().map(|_| false));
        for view in VIEWS {
            if view.starts_with("/v3/rundetail") && left != Some(true) {
                // there a job that has ended and whose times are not known yet waits until now; here it has not waited
                continue;
            }
            let path = path_of(view, expid.as_str(), &job);
            let mut tries = 0;
            loop {
                let before = ask(&mut ours, &path);
                let told = ask(&mut theirs, &path);
                let after = ask(&mut ours, &path);
                match agree(&told, &before, &after) {
                    Ok(()) => break,
                    // what changed twice in between is between nothing: a later moment is looked at
                    Err(_) if before != after && tries < 8 => tries += 1,
                    Err(why) => panic!("{path}: {why}\ntheirs: {told}\nours before: {before}\nours after: {after}"),
                }
            }
            moments += 1;
            if view == "/v3/expcount/E" {
                states.insert(ours.get(&path).json()["counters"].to_string());
            }
        }
    }
    assert!(run.wait().unwrap().success(), "{}", fs::read_to_string(site.home.path("run.log")).unwrap());
    assert!(states.len() > 3 && moments > 4 * VIEWS.len(), "only {moments} answers in {} states", states.len());
    let counters = ours.get(&format!("/v3/expcount/{expid}")).json();
    assert_eq!(counters["counters"]["COMPLETED"], 10, "{counters}");
}

#[test]
fn both_tell_the_same_of_a_site_in_postgresql() {
    let Some(site) = Experiments::new() else { return };
    let mut command = site.program("python");
    command.envs(std::env::var("PYTHONPATH").ok().map(|path| ("PYTHONPATH", path)));
    if !command.args(["-c", "import psycopg2"]).output().unwrap().status.success() {
        return skip("the original has no psycopg2, without which it reads no PostgreSQL: run tests/setup again");
    }
    let Some(server) = Server::start() else { return };
    let jobs = "  INI: {SCRIPT: 'true', RUNNING: member, WALLCLOCK: '00:05'}\n  \
                SIM: {SCRIPT: 'echo sim; sleep 2', DEPENDENCIES: INI SIM-1, RUNNING: chunk, WALLCLOCK: '00:05'}\n";
    let (run, waiting) = (site.make(jobs), site.make(jobs));
    site.autosubmit(&["run", run.as_str()]);
    // from files to tables, as they are
    for file in ["autosubmit.db", "as_times.db"] {
        server.load(&site.root().join(file), "public");
    }
    let pickles = "CREATE TABLE public.job_pkl (expid VARCHAR PRIMARY KEY, pkl BYTEA, modified VARCHAR)";
    server.client().batch_execute(pickles).unwrap();
    let files = site.site();
    for expid in [&run, &waiting] {
        let places = files.places(expid);
        for file in [&places.packages, &places.structure, &places.history].into_iter().filter(|file| file.exists()) {
            server.load(file, expid.as_str());
        }
        let pickle = fs::read(&places.pickle).unwrap();
        let row = "INSERT INTO public.job_pkl VALUES ($1, $2, '2026-06-15T12:00:00+00:00')";
        server.client().execute(row, &[&expid.as_str(), &pickle]).unwrap();
        for file in [places.packages, places.structure, places.history, places.pickle] {
            drop(fs::remove_file(file));
        }
    }
    for file in ["autosubmit.db", "as_times.db"] {
        fs::remove_file(site.root().join(file)).unwrap();
    }
    let rc = site.home.path("autosubmitrc");
    let text = fs::read_to_string(&rc).unwrap();
    let store = format!("backend = postgres\nconnection_url = {}\n", server.url());
    fs::write(&rc, text.replace("backend = sqlite\n", &store)).unwrap();
    let (original, gateway) = both(&site);
    let (mut theirs, mut ours) = (original.client(), gateway.client());
    for expid in [&run, &waiting] {
        let job = format!("{expid}_20000101_fc0_1_SIM");
        for view in VIEWS {
            let path = path_of(view, expid.as_str(), &job);
            let before = ask(&mut ours, &path);
            let told = ask(&mut theirs, &path);
            if let Err(why) = agree(&told, &before, &ask(&mut ours, &path)) {
                panic!("{path}: {why}\ntheirs: {told}\nours: {before}");
            }
        }
        let jobs = ours.get(&format!("/v4/experiments/{expid}/jobs")).json();
        assert_eq!(jobs["pagination"]["total_items"], 6, "{jobs}");
    }
}
