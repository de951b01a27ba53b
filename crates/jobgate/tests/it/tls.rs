//! HTTPS: what clients of all kinds get, what changes while it is served, and who is in the way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::fixture::gateway::script;
use crate::fixture::home::run;
use crate::fixture::tls::{Certs, Forge, Kept, curl, jobs, quoted, secure, serve};
use crate::fixture::{Gateway, Home, SOON, program, skip, wait_for};

/// Who brings no certificate sees public pages.
fn open(certs: &Certs) -> String {
    certs.table("127.0.0.1:0", "")
}

#[test]
fn versions_of_tls_and_of_http() {
    if program("curl").is_none() {
        return skip("curl is not installed");
    }
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &open(&certs));
    let url = secure(&gateway, "/v2/backends");
    for (options, http) in [
        (&["--tls-max", "1.2", "--http1.1"][..], "1.1"),
        (&["--tls-max", "1.2", "--http2"], "2"),
        (&["--tlsv1.3", "--http1.1"], "1.1"),
        (&["--tlsv1.3", "--http2"], "2"),
        (&["--no-alpn"], "1.1"),
    ] {
        let args = [options, &["-o", "/dev/null", "-w", "%{http_code} %{http_version}", &url]].concat();
        let output = curl(&home, &certs, "", &args);
        assert_eq!(output.out, format!("200 {http}"), "{options:?}: {output:?}");
    }
    let old = curl(&home, &certs, "", &["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &url]);
    assert_ne!(old.code, 0, "{old:?}");
    // the authority is what makes it trusted
    let output = run(home.program(Path::new("curl")).args(["-sS", &url]));
    assert_eq!(output.code, 60, "{output:?}");
    assert_eq!(jobs(&home, &certs, "", &gateway), 401, "nobody is the gateway's own user by TLS");
}

#[test]
fn openssl_speaks_with_it() {
    if program("openssl").is_none() {
        return skip("openssl is not installed");
    }
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &open(&certs));
    for (version, resumed) in [("-tls1_2", true), ("-tls1_3", false)] {
        let mut command = home.program(Path::new("openssl"));
        command.args(["s_client", version, "-alpn", "h2,http/1.1", "-verify_return_error", "-CAfile"]);
        command.arg(certs.ca()).args(["-connect", &gateway.address.to_string()]);
        let output = if resumed { run(command.arg("-reconnect")) } else { run(&mut command) };
        assert!(output.out.contains("ALPN protocol: h2"), "{version}: {output:?}");
        assert!(output.out.contains("Verification: OK"), "{version}: {output:?}");
        assert!(!resumed || output.out.contains("Reused, TLSv1.2"), "{version}: {output:?}");
    }
}

#[test]
fn a_job_goes_its_way_over_tls() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &certs.table("127.0.0.1:0", &format!("client_ca = {}", quoted(&certs.ca()))));
    fs::write(home.path("data.bin"), vec![7_u8; 3 << 20]).unwrap();
    let ask = |args: &[&str]| {
        let output = curl(&home, &certs, "alice", args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        output.out
    };
    let spec = script("wc -c <data.bin").to_string();
    let json = ["-H", "content-type: application/json", "-d", &spec];
    let jobid = ask(&[&json[..], &[&secure(&gateway, "/v2/jobs/new")]].concat());
    let jobid = jobid.trim_matches('"');
    let url = |part: &str| secure(&gateway, &format!("/v2/jobs/{jobid}{part}"));
    ask(&["-X", "POST", "--upload-file", home.path("data.bin").to_str().unwrap(), &url("/files/")]);
    ask(&["-X", "POST", &url("/start")]);
    wait_for("the job's end", SOON, || (ask(&[&url("/state")]) == "\"completed\"").then_some(()));
    assert!(ask(&[&url("/logs")]).contains(&(3 << 20).to_string()));
    ask(&["-o", home.path("back.bin").to_str().unwrap(), &url("/files/data.bin")]);
    assert_eq!(fs::read(home.path("back.bin")).unwrap(), vec![7_u8; 3 << 20]);
    // its pages lead to where TLS is
    let output = ask(&["-o", "/dev/null", "-w", "%{redirect_url}", &secure(&gateway, "/v2")]);
    assert_eq!(output, secure(&gateway, "/v2/"));
}

/// Certificates are changed while clients are connected, and others come and go all the time.
#[test]
fn certificates_change_under_load() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &open(&certs));
    let connect = || Kept::connect(gateway.address, &certs.ca(), None).unwrap();
    let mut kept = connect();
    assert_eq!(kept.get("/v2/backends"), Ok(200));
    let first = kept.shown();

    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let status =
                        Kept::connect(gateway.address, &certs.ca(), None).and_then(|mut one| one.get("/healthz"));
                    if status != Ok(200) {
                        over.store(true, Ordering::Relaxed);
                        panic!("{status:?}");
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut last = first.clone();
        for how in ["by itself", "when told", "when told", "by itself"] {
            certs.renew_server(&home);
            if how == "when told" {
                hangup(&gateway);
            }
            last = wait_for(&format!("the new certificate, {how}"), SOON, || {
                let mut one = connect();
                let status = one.get("/healthz");
                assert_eq!(status, Ok(200));
                (one.shown() != last).then(|| one.shown())
            });
            assert_eq!(kept.get("/v2/backends"), Ok(200), "the connection from before goes on");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(kept.shown(), first);
    assert!(count.into_inner() > 20, "there was load");
    assert_eq!(gateway.log().matches("certificates were loaded anew").count(), 4, "{}", gateway.log());
}

#[test]
fn broken_certificates_are_not_taken_up() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &open(&certs));
    let connect = || Kept::connect(gateway.address, &certs.ca(), None).unwrap();
    let mut one = connect();
    assert_eq!(one.get("/healthz"), Ok(200));
    let (certificate, key) = certs.server();
    let good = fs::read(&certificate).unwrap();
    let logged = |what: &str, count: usize| {
        wait_for(what, SOON, || (gateway.log().matches(what).count() >= count).then_some(()));
    };
    fs::write(&certificate, "nonsense").unwrap();
    hangup(&gateway);
    logged("those from before stay", 1);
    assert!(gateway.log().contains("has no usable certificate"), "{}", gateway.log());
    assert_eq!(connect().get("/healthz"), Ok(200));
    fs::remove_file(&key).unwrap();
    logged("those from before stay", 2);
    assert_eq!(connect().get("/healthz"), Ok(200));
    fs::write(&certificate, good).unwrap();
    certs.renew_server(&home);
    logged("certificates were loaded anew", 1);
    let mut other = connect();
    assert_eq!(other.get("/healthz"), Ok(200));
    assert_ne!(other.shown(), one.shown());
}

/// SIGHUP.
fn hangup(gateway: &Gateway) {
    let pid = rustix::process::Pid::from_child(&gateway.child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

/// The bytes with which a handshake begins.
const HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// Handshakes that never end take a slot for as long as a request's head may take, and no longer.
#[test]
fn slow_handshakes_are_given_up() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let settings = "[server.limits]\nheader_timeout = \"4s\"\nconnections = 4\n";
    let gateway = serve(&home, &format!("{settings}{}", open(&certs)));
    let silent = TcpStream::connect(gateway.address).unwrap();
    let mut half = TcpStream::connect(gateway.address).unwrap();
    half.write_all(HELLO).unwrap();
    let drip = TcpStream::connect(gateway.address).unwrap();
    let mut dripping = drip.try_clone().unwrap();
    let drops = std::thread::spawn(move || {
        for byte in HELLO.iter().cycle() {
            if dripping.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    // there is one slot left, and one for all after a while
    let mut one = Kept::connect(gateway.address, &certs.ca(), None).unwrap();
    assert_eq!(one.get("/healthz"), Ok(200));
    silent.set_nonblocking(true).unwrap();
    let waits = silent.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(waits, "others were served only after the slow ones had been given up");
    silent.set_nonblocking(false).unwrap();
    let fourth = TcpStream::connect(gateway.address).unwrap();
    for stream in [silent, half, drip, fourth] {
        ends(stream);
    }
    drops.join().unwrap();
    drop(one);
    for _ in 0..8 {
        assert_eq!(Kept::connect(gateway.address, &certs.ca(), None).unwrap().get("/healthz"), Ok(200));
    }
}

/// Reads until the server has closed a connection; gives what it said.
fn ends(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => text,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => text,
        Err(error) => panic!("the connection does not end: {error}"),
    }
}

#[test]
fn noise_on_the_port_does_no_harm() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &open(&certs));
    let say = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        // the other side may have had enough in the middle of it
        drop(stream.write_all(bytes));
        ends(stream)
    };
    let advised = String::from_utf8(say(b"GET /v2/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
    assert!(advised.starts_with("HTTP/1.1 400 ") && advised.contains("use https://"), "{advised}");
    let upload = [b"POST /v2/jobs HTTP/1.1\r\n\r\n".to_vec(), vec![b'x'; 200_000]].concat();
    assert!(say(&upload).starts_with(b"HTTP/1.1 400 "));
    assert!(say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
    assert_eq!(say(&[0; 1000]), b"");
    assert_eq!(say(&vec![0xff; 1 << 20]), b"");
    // a record that is one by its first byte only: answered by an alert, if at all
    for noise in [&[0x16; 4096][..], &[HELLO, &[0xee; 4096]].concat()] {
        let told = say(noise);
        assert!(told.is_empty() || told[0] == 0x15, "{told:?}");
    }
    assert_eq!(Kept::connect(gateway.address, &certs.ca(), None).unwrap().get("/healthz"), Ok(200));
    assert!(!gateway.log().contains("panic"), "{}", gateway.log());
}

/// A certificate that ends is worth a warning, and is used.
#[test]
fn the_end_of_a_certificate_is_announced() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let forge = Forge::ours(&certs);
    for (ends, told) in [(5 * 24 * 60 * 60, "expires soon"), (-60, "has expired")] {
        forge.server(&certs, ends);
        let gateway = serve(&home, &open(&certs));
        assert!(gateway.log().contains(told), "{}", gateway.log());
    }
    forge.server(&certs, 20 * 24 * 60 * 60);
    let gateway = serve(&home, &open(&certs));
    assert!(!gateway.log().contains("expire"), "{}", gateway.log());
}
