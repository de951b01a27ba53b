//! The accounting database in Slurm's dialect, over books in memory: what real servers answered to the same requests, and who
//! may do what.

use std::sync::{Mutex, PoisonError};

use jobgate_slurm::books::Books;
use jobgate_slurm::cluster::{Accounting, Answer, RecordChange, RecordsWanted};
use jobgate_slurm::objects::{JobRecord, Tres};

use super::slurm::{gate_over, token};
use super::*;

/// Books, and the record of job 119 of alice.
#[derive(Debug)]
struct Memory {
    books: Mutex<Arc<Books>>,
    changes: Mutex<Vec<(i64, RecordChange)>>,
}

impl Accounting for Memory {
    fn records(&self, wanted: &RecordsWanted, each: &mut dyn FnMut(JobRecord)) -> Answer<()> {
        if wanted.ids.is_empty() || wanted.ids.contains(&119) {
            each(JobRecord {
                job_id: Some(119),
                account: Some("physics".into()),
                association: Some(jobgate_slurm::objects::AssociationShort::default()),
                user: Some("alice".into()),
                partition: Some("defq".into()),
                name: Some("job".into()),
                time_submission: Some(1_795_314_936),
                tres_allocated: Some(vec![Tres { kind: Some("billing".into()), count: Some(4), ..Tres::default() }]),
                time_elapsed: Some(100),
                ..JobRecord::default()
            });
        }
        Ok(())
    }

    fn change_record(&self, id: i64, change: &RecordChange) -> Answer<()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push((id, change.clone()));
        Ok(())
    }

    fn books(&self) -> Answer<Arc<Books>> {
        Ok(Arc::clone(&self.books.lock().unwrap()))
    }

    fn change_books(&self, change: &mut dyn FnMut(&mut Books) -> Answer<()>) -> Answer<()> {
        let mut kept = self.books.lock().unwrap();
        let mut books = Books::clone(&kept);
        change(&mut books)?;
        *kept = Arc::new(books);
        Ok(())
    }

    fn started(&self) -> u64 {
        1_795_000_000
    }
}

/// alice and bob in physics, bob and carol in chem; carol is an operator, bob coordinates physics.
fn start() -> (Gate, tempfile::TempDir, Arc<Memory>) {
    let memory =
        Arc::new(Memory { books: Mutex::new(Arc::new(Books::new("one", &["slurm"]))), changes: Mutex::default() });
    let (gate, dir) = gate_over(Arc::clone(&memory) as _);
    (gate, dir, memory)
}

async fn people(gate: &Gate) {
    let body = json!({
        "accounts": [{ "name": "physics", "description": "physics dept", "organization": "science" },
                     { "name": "chem", "description": "chemistry", "organization": "science" }],
        "users": [{ "name": "alice" }, { "name": "bob" }, { "name": "carol", "administrator_level": ["Operator"] }],
        "associations": [{ "account": "physics", "user": "alice" }, { "account": "physics", "user": "bob" },
                         { "account": "chem", "user": "bob" }, { "account": "chem", "user": "carol" }],
    });
    ask(gate, "root", "POST /slurmdb/v0.0.45/config", &body).await.ok();
    let coordinator = json!({ "accounts": [{ "name": "physics", "coordinators": [{ "name": "bob" }] }] });
    ask(gate, "root", "POST /slurmdb/v0.0.45/accounts/", &coordinator).await.ok();
}

async fn ask(gate: &Gate, user: &str, line: &str, body: &Value) -> Reply {
    let token = token(user);
    let headers = [("x-slurm-user-token", token.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
    gate.ask_with(line, headers, body).await
}

async fn get(gate: &Gate, path: &str) -> Value {
    ask(gate, "root", &format!("GET /slurmdb/v0.0.45{path}"), &Value::Null).await.ok().json()
}

/// What was recorded of one real server, asked again here: the same status and, where it is the cluster's own doing, the same
/// answer.
#[tokio::test]
async fn recorded_requests_are_answered_as_they_were() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/slurm");
    if !folder.is_dir() {
        return skipped(&folder);
    }
    for (release, version) in [("24.11.5", "v0.0.40"), ("26.05.5", "v0.0.42"), ("26.05.5", "v0.0.45")] {
        let (gate, _dir, _) = start();
        people(&gate).await;
        let mut files: Vec<_> = std::fs::read_dir(folder.join(format!("{release}-{version}")))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().contains("-db-"))
            .collect();
        files.sort();
        assert!(files.len() > 40, "{release} {version}");
        for file in files {
            again(&gate, &file, version).await;
        }
    }
}

/// These are answered otherwise on purpose: slurmdbd did nothing, and said that it was done, when it was asked for the
/// association of a new account; so there was nothing to add to afterwards, and nothing to remove.
const BETTER: [&str; 3] = ["db-users-association", "db-del-assoc", "db-del-user-erin"];

async fn again(gate: &Gate, file: &std::path::Path, version: &str) {
    let case = file.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap().1;
    let recorded: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let request = &recorded["request"];
    let user = request["headers"]["X-SLURM-USER-NAME"].as_str();
    let Some(user) = user.filter(|_| case != "db-expired" && !case.starts_with("db-job-modify")) else { return };
    let path = request["path"].as_str().unwrap().replace("testcl", "one");
    let line = format!("{} {path}", request["method"].as_str().unwrap());
    let body = serde_json::from_str(&request["body"].to_string().replace("testcl", "one")).unwrap();
    let reply = ask(gate, user, &line, &body).await;
    let response = recorded.get("response").or_else(|| recorded.get("reply")).unwrap();
    let (status, ours) = (response["status"].as_u64().unwrap(), u64::from(reply.status.as_u16()));
    if BETTER.contains(&case) {
        assert_eq!((status, ours), (304, 200), "{version} {case}: {:?}", reply.body);
        return;
    }
    if case == "db-jobs-modify" || case == "db-jobs-state" || case == "db-job" || case.starts_with("db-jobs") {
        // other jobs than there
        assert!(ours == 200 || ours == status, "{version} {case}: {ours}");
        return;
    }
    assert_eq!(ours, status, "{version} {case}: {:?}", reply.body);
    let theirs = response.get("body").or_else(|| response.get("json")).unwrap_or(&Value::Null);
    if !theirs.is_object() {
        return;
    }
    let answer = reply.json();
    let errors = |answer: &Value| -> Vec<(Value, Value)> {
        let list = answer["errors"].as_array().cloned().unwrap_or_default();
        list.iter().map(|error| (error["error_number"].clone(), error["source"].clone())).collect()
    };
    assert_eq!(errors(&answer), errors(theirs), "{version} {case}");
    let sources = |answer: &Value| -> Vec<Value> {
        let list = answer["warnings"].as_array().cloned().unwrap_or_default();
        list.iter().map(|warning| warning["source"].clone()).collect()
    };
    assert_eq!(sources(&answer), sources(theirs), "{version} {case}: {:?}", reply.body);
    for (key, theirs) in theirs.as_object().unwrap() {
        let same_type = |ours: &Value| std::mem::discriminant(ours) == std::mem::discriminant(theirs);
        let empty_failure = ours >= 400 && theirs.as_object().is_some_and(serde_json::Map::is_empty);
        assert!(empty_failure || answer.get(key).is_some_and(same_type), "{version} {case}: {key}");
        if key.starts_with("removed") || key.starts_with("added") {
            assert_eq!(answer[key].to_string(), theirs.to_string().replace("testcl     ", "one        "), "{case}");
        }
    }
}

#[expect(clippy::print_stderr, reason = "says that a test was skipped")]
fn skipped(folder: &std::path::Path) {
    eprintln!("SKIPPED: no recorded answers in {}", folder.display());
}

#[tokio::test]
async fn who_may_do_what() {
    let (gate, _dir, _) = start();
    people(&gate).await;
    let null = Value::Null;
    let account = json!({ "accounts": [{ "name": "new" }] });
    let qos = json!({ "qos": [{ "name": "new" }] });
    let cluster = json!({ "clusters": [{ "name": "new" }] });
    let admin = json!({ "users": [{ "name": "mallory", "administrator_level": ["Administrator"] }] });
    let operator = json!({ "users": [{ "name": "dave", "administrator_level": ["Operator"] }] });
    let to_physics = json!({ "associations": [{ "account": "physics", "user": "carol" }] });
    let to_chem = json!({ "associations": [{ "account": "chem", "user": "alice" }] });
    let of_account = json!({ "associations": [{ "account": "physics", "max": { "jobs": { "active": 1 } } }] });
    let default = json!({ "users": [{ "name": "bob", "default": { "account": "chem" } }] });
    let alias = json!({ "users": [{ "name": "bob", "old_name": "alice" }] });
    let by_condition = json!({ "association_condition": { "users": ["zoe"], "accounts": ["physics"] }, "user": {} });
    let admin_by_condition = json!({
        "association_condition": { "users": ["eve"], "accounts": ["physics"] },
        "user": { "adminlevel": ["Administrator"] },
    });
    // (request, body, alice, bob who coordinates physics, carol who is an operator, root)
    for (line, body, expected) in [
        ("GET users", &null, [200, 200, 200, 200]),
        ("GET accounts", &null, [200, 200, 200, 200]),
        ("GET associations", &null, [200, 200, 200, 200]),
        ("GET qos", &null, [200, 200, 200, 200]),
        ("GET jobs", &null, [200, 200, 200, 200]),
        ("GET wckeys", &null, [422, 422, 200, 200]),
        ("GET wckey/w", &null, [422, 422, 200, 200]),
        ("GET diag", &null, [422, 422, 200, 200]),
        ("GET conf", &null, [422, 422, 200, 200]),
        ("GET config", &null, [422, 422, 200, 200]),
        ("POST accounts", &account, [422, 422, 200, 200]),
        ("POST qos", &qos, [422, 422, 422, 200]),
        ("POST clusters", &cluster, [422, 422, 422, 200]),
        ("POST config", &account, [422, 422, 422, 200]),
        ("POST users", &admin, [422, 422, 422, 200]),
        ("POST users", &operator, [422, 422, 200, 200]),
        ("POST users", &default, [422, 200, 200, 200]),
        ("POST users", &alias, [422, 422, 422, 422]),
        ("POST associations", &to_physics, [422, 200, 200, 200]),
        ("POST associations", &to_chem, [422, 422, 200, 200]),
        ("POST associations", &of_account, [422, 422, 200, 200]),
        ("POST users_association", &by_condition, [422, 200, 304, 304]),
        ("POST users_association", &admin_by_condition, [422, 422, 422, 200]),
        ("POST tres", &json!({ "TRES": [] }), [422, 422, 422, 422]),
        ("DELETE association?user=carol&account=physics", &null, [422, 200, 304, 304]),
        ("DELETE associations?account=physics", &null, [422, 422, 200, 304]),
        ("DELETE qos/new", &null, [422, 422, 422, 200]),
        ("DELETE cluster/new", &null, [422, 422, 422, 200]),
        ("DELETE account/new", &null, [422, 422, 200, 304]),
        ("DELETE wckey/w", &null, [422, 422, 304, 304]),
        ("DELETE user/mallory", &null, [422, 422, 422, 200]),
        ("DELETE user/dave", &null, [422, 422, 200, 304]),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        for (user, expected) in ["alice", "bob", "carol", "root"].into_iter().zip(expected) {
            let reply = ask(&gate, user, &format!("{method} /slurmdb/v0.0.45/{path}"), body).await;
            assert_eq!(reply.status.as_u16(), expected, "{line} by {user}: {:?}", reply.body);
            let denied = json!(2002);
            if expected == 422 && user == "alice" && !path.starts_with("tres") {
                assert_eq!(reply.json()["errors"][0]["error_number"], denied, "{line}");
            }
        }
    }
    assert_eq!(get(&gate, "/user/eve").await["users"][0]["administrator_level"], json!(["Administrator"]));
}

#[tokio::test]
async fn what_slurms_own_tests_do_with_users_and_associations() {
    let (gate, _dir, _) = start();
    people(&gate).await;
    let post =
        async |path: &str, body: Value| ask(&gate, "root", &format!("POST /slurmdb/v0.0.45{path}"), &body).await.ok();
    let delete = async |path: &str| ask(&gate, "root", &format!("DELETE /slurmdb/v0.0.45{path}"), &Value::Null).await;
    post("/qos/", json!({ "qos": [{ "name": "q1" }, { "name": "q2" }] })).await;
    let one = |qos: &str, wall: u32| {
        json!({ "associations": [{ "account": "physics", "cluster": "one", "user": "alice", "partition": "defq", "flags": [],
            "default": { "qos": qos }, "qos": ["q1", "q2"], "shares_raw": 23,
            "max": { "jobs": { "per": { "wall_clock": { "set": true, "number": wall } } } },
            "min": { "priority_threshold": { "set": true, "number": 10 } }, "priority": { "set": true, "number": 9 } }] })
    };
    for (qos, wall) in [("q1", 150), ("q2", 250)] {
        let done = post("/associations/", one(qos, wall)).await.json();
        assert_eq!((&done["warnings"], &done["errors"]), (&json!([]), &json!([])));
        let found = get(&gate, "/association/?cluster=one&account=physics&user=alice&partition=defq").await;
        assert_eq!(found["warnings"], json!([]));
        let found = &found["associations"][0];
        assert_eq!((&found["default"]["qos"], &found["flags"]), (&json!(qos), &json!([])));
        assert_eq!(found["max"]["jobs"]["per"]["wall_clock"]["number"], wall);
        assert_eq!(found["shares_raw"], 23);
    }
    let several = delete("/association/?account=physics&user=alice").await;
    assert_eq!(several.status, StatusCode::UNPROCESSABLE_ENTITY, "two are meant");
    delete("/association/?cluster=one&account=physics&user=alice&partition=defq").await.ok();
    let gone = get(&gate, "/association/?cluster=one&account=physics&user=alice&partition=defq").await;
    assert_eq!((&gone["associations"], gone["warnings"].as_array().unwrap().len()), (&json!([]), 1));
    delete("/associations/?cluster=one&account=physics").await.ok();
    let all = delete("/associations/?cluster=one").await;
    assert_eq!(all.status, StatusCode::UNPROCESSABLE_ENTITY, "nobody means all of them");

    post("/users/", json!({ "users": [{ "name": "dave", "default": { "wckey": "w1" } }] })).await;
    let dave = ask(&gate, "root", "GET /slurmdb/v0.0.45/user/dave?with_wckeys=true", &Value::Null).await.json();
    assert_eq!(dave["users"][0]["default"]["wckey"], "w1");
    assert_eq!(dave["warnings"][0]["source"], "#/with_wckeys/");
    let gone = delete("/user/dave").await.ok().json();
    assert_eq!(gone["removed_users"], json!(["dave"]));
    assert_eq!(gone["errors"], json!([]));
    let deleted = get(&gate, "/user/dave?with_deleted=true").await;
    assert_eq!(deleted["users"][0]["flags"], json!(["DELETED"]));
    let missing = ask(&gate, "root", "POST /slurmdb/v0.0.45/users/", &json!({})).await;
    assert_eq!((missing.status.as_u16(), &missing.json()["errors"][0]["error_number"]), (422, &json!(9200)));
}

#[tokio::test]
async fn job_records_are_shown_and_changed() {
    let (gate, _dir, memory) = start();
    people(&gate).await;
    let jobs = get(&gate, "/jobs?users=alice&job_name=job&step=119").await;
    assert_eq!((jobs["jobs"].as_array().unwrap().len(), &jobs["warnings"]), (1, &json!([])));
    assert!(jobs["jobs"][0]["association"]["id"].as_i64().unwrap() > 0);
    assert_eq!(get(&gate, "/jobs?job_name=other").await["warnings"][0]["source"], "_dump_jobs");
    assert_eq!(get(&gate, "/job/119").await["jobs"][0]["job_id"], 119);
    assert_eq!(get(&gate, "/job/118").await["jobs"], json!([]));
    let change = json!({
        "comment": { "administrator": "a", "job": "j", "system": "s" }, "extra": "e", "wckey": "w",
        "derived_exit_code": { "return_code": { "set": true, "infinite": false, "number": 1024 } },
        "tres": { "allocated": [{ "type": "energy", "count": 12345, "id": 3 }] },
    });
    let post = async |user: &str, path: &str, body: &Value| {
        ask(&gate, user, &format!("POST /slurmdb/v0.0.45{path}"), body).await
    };
    let done = post("root", "/job/119", &change).await.ok().json();
    assert!(done["results"][0].as_str().unwrap().starts_with("119 submitted at 2026-11-2"), "{done}");
    let expected = RecordChange {
        comment: Some("j".into()),
        admin_comment: Some("a".into()),
        system_comment: Some("s".into()),
        extra: Some("e".into()),
        wckey: Some("w".into()),
        derived_exit_code: Some(1024),
        tres: Some("energy=12345".into()),
    };
    assert_eq!(memory.changes.lock().unwrap().pop(), Some((119, expected)));
    let many = json!({ "job_id_list": ["119"], "job_rec": { "comment": { "job": "own" } } });
    post("alice", "/jobs/", &many).await.ok();
    assert_eq!(memory.changes.lock().unwrap().len(), 1);
    for (user, path, body, status) in [
        ("alice", "/job/119", &change, 422),
        ("bob", "/jobs/", &many, 422),
        ("root", "/job/118", &change, 304),
        ("root", "/job/119", &json!({}), 304),
        ("root", "/job/nonsense", &change, 422),
    ] {
        assert_eq!(post(user, path, body).await.status.as_u16(), status, "{user} {path}");
    }
    assert_eq!(memory.changes.lock().unwrap().len(), 1);
    assert_eq!(ask(&gate, "root", "POST /slurmdb/v0.0.43/job/119", &change).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_database_says_how_it_is() {
    let (gate, _dir, _) = start();
    people(&gate).await;
    let ping = get(&gate, "/ping").await;
    assert_eq!((&ping["pings"][0]["responding"], &ping["pings"][0]["status"]), (&json!(true), &json!("No error")));
    let diag = get(&gate, "/diag").await;
    assert_eq!(diag["statistics"]["time_start"], 1_795_000_000);
    let rpcs = diag["statistics"]["RPCs"].as_array().unwrap();
    assert!(rpcs.iter().any(|rpc| rpc["rpc"] == "DBD_GET_PING" && rpc["count"] == 1), "{rpcs:?}");
    assert_eq!(diag["statistics"]["users"][0]["user"], "root");
    let cluster = &get(&gate, "/clusters").await["clusters"][0];
    assert_eq!(
        (&cluster["name"], &cluster["nodes"], &cluster["controller"]["host"]),
        (&json!("one"), &json!("n1"), &json!("here"))
    );
    assert_eq!(cluster["associations"]["root"]["account"], "root");
    assert_eq!(get(&gate, "/conf").await["slurmdbd_conf"]["TrackWCKey"], true);
    assert!(get(&gate, "/tres").await["TRES"].as_array().unwrap().len() >= 12);
    let dump = get(&gate, "/config").await;
    for part in ["clusters", "tres", "accounts", "users", "qos", "wckeys", "associations"] {
        assert!(dump[part].is_array(), "{part}");
    }
    ask(&gate, "root", "POST /slurmdb/v0.0.45/config", &dump).await.ok();
    let again = get(&gate, "/config").await;
    for part in ["accounts", "users", "qos", "wckeys"] {
        assert_eq!(again[part], dump[part], "{part}");
    }
    let shares = ask(&gate, "alice", "GET /slurm/v0.0.45/shares", &Value::Null).await.ok().json();
    let alice = |one: &&Value| one["name"] == "alice";
    let alice = shares["shares"]["shares"].as_array().unwrap().iter().find(alice).unwrap().clone();
    assert!(alice["usage"].as_i64().unwrap() > 390, "{alice}");
    assert_eq!(alice["fairshare"]["factor"]["set"], true);
}
