//! Attacks on who somebody is taken for, and on where a path leads, against the running program.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::fixture::gateway::script;
use crate::fixture::http::Body;
use crate::fixture::{Gateway, Home};

/// For so long files are swapped below requests.
const LASTING: Duration = Duration::from_secs(4);

/// Nobody elsewhere becomes a local client by saying so, and no name that resolves to loopback is ours.
#[test]
fn headers_make_nobody_local() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("x"));
    let hosts = format!("127.0.0.1:{}", gateway.address.port());
    for headers in [
        &[("host", "evil.example")][..],
        &[("host", "evil.example:80")],
        &[("host", "127.0.0.1.evil.example")],
        &[("host", "localhost.evil.example")],
        &[("host", "")],
        &[("x-forwarded-for", "203.0.113.9")],
        &[("x-forwarded-for", "127.0.0.1, 203.0.113.9")],
        &[("forwarded", "for=203.0.113.9;host=localhost")],
        &[("forwarded", "for=127.0.0.1, for=\"[2001:db8::1]\"")],
        &[("x-real-ip", "203.0.113.9")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        for (method, path) in [
            ("GET", "/v2/jobs".to_owned()),
            ("GET", format!("/v2/jobs/{jobid}")),
            ("DELETE", format!("/v2/jobs/{jobid}")),
            ("GET", "/v2/".to_owned()),
            ("GET", "/metrics".to_owned()),
            ("GET", "/slurm/v0.0.45/jobs".to_owned()),
        ] {
            let answer = client.ask(method, &path, headers, &Body::None);
            assert!(matches!(answer.status, 400 | 403), "{method} {path} {headers:?}: {}", answer.status);
        }
    }
    // what a proxy of this machine's says of a client of this machine is no reason to refuse
    for headers in [
        &[("x-forwarded-for", "127.0.0.1")][..],
        &[("forwarded", "for=\"[::1]:4711\";proto=http")],
        &[("host", hosts.as_str()), ("sec-fetch-site", "none")],
    ] {
        assert_eq!(client.ask("GET", "/v2/jobs", headers, &Body::None).status, 200, "{headers:?}");
    }
    assert_eq!(client.history("v2", &jobid).len(), 1, "nothing was canceled");
}

/// A job's owner swaps files for links while they are read, written and listed: never does a link lead out.
#[test]
fn swapped_links_lead_nowhere() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let outside = home.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "treasure").unwrap();
    let jobid = client.create("v2", &script("x"));
    let work = home.job(&jobid, "work");
    fs::create_dir(work.join("folder")).unwrap();
    fs::write(work.join("folder/secret"), "mine").unwrap();
    fs::write(work.join("file"), "mine").unwrap();
    let files = format!("/v2/jobs/{jobid}/files");

    let over = AtomicBool::new(false);
    let (swaps, asked) = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut swaps = 0_u32;
            while !over.load(Ordering::Relaxed) {
                // a rename replaces at once: there is always something, and every other time it is a link
                for (name, target) in [("folder", outside.clone()), ("file", outside.join("secret"))] {
                    let (link, kept) = (work.join("link"), work.join("kept"));
                    symlink(&target, &link).unwrap();
                    fs::rename(work.join(name), &kept).unwrap();
                    fs::rename(&link, work.join(name)).unwrap();
                    std::thread::yield_now();
                    // an upload may have taken its place
                    let here = work.join(name);
                    let is_link = fs::symlink_metadata(&here).is_ok_and(|meta| meta.file_type().is_symlink());
                    if is_link || here.is_file() {
                        fs::remove_file(&here).unwrap();
                    }
                    fs::rename(&kept, &here).unwrap();
                    swaps += 1;
                }
            }
            swaps
        });
        let asking: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = gateway.client();
                    let mut asked = 0_u32;
                    let end = Instant::now() + LASTING;
                    while Instant::now() < end {
                        for path in ["file", "folder", "folder/secret", ""] {
                            let answer = client.get(&format!("{files}/{path}"));
                            assert!(!answer.text().contains("treasure"), "{path}: it led out");
                            assert!(answer.status < 500, "{path}: {}", answer.text());
                        }
                        for (name, bytes) in
                            [("folder/planted", &b"x"[..]), ("folder/secret", b"mine"), ("file", b"mine")]
                        {
                            let answer = client.upload(&files, &[(name, bytes)]);
                            assert!(answer.status < 500, "{name}: {}", answer.text());
                        }
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        let asked: u32 = asking.into_iter().map(|one| one.join().unwrap()).sum();
        over.store(true, Ordering::Relaxed);
        (swapping.join().unwrap(), asked)
    });
    assert!(swaps > 100 && asked > 10, "{swaps} swaps below {asked} rounds are no attack");
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "treasure");
    let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secret"], "nothing was planted outside");
}
