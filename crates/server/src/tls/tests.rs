//! Files that are good, bad and changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::files::Seen;
use super::reload::{Found, Look};
use super::*;

struct Authority(Issuer<'static, KeyPair>);

/// An authority in `ca.crt`, and a server's pair in `a.crt` and `a.key`.
fn made(dir: &Path) -> (Authority, TlsFiles) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    fs::write(dir.join("ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = Authority(Issuer::new(params, key));
    authority.pair(dir, "a");
    (authority, files(dir))
}

fn files(dir: &Path) -> TlsFiles {
    TlsFiles { certificate: dir.join("a.crt"), key: dir.join("a.key"), clients: None }
}

impl Authority {
    fn pair(&self, dir: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
        let path = dir.join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn refusal(files: &TlsFiles) -> String {
    Credentials::load(files.clone()).err().map(|error| error.to_string()).unwrap_or_default()
}

fn asking(files: &TlsFiles, ca: &Path, crl: Option<&Path>) -> TlsFiles {
    let clients = ClientAuthority { ca: ca.to_owned(), crl: crl.map(Path::to_owned), demand: Demand::Required };
    TlsFiles { clients: Some(clients), ..files.clone() }
}

#[test]
fn files_that_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (authority, good) = made(dir);
    assert_eq!(refusal(&good), "");
    assert!(refusal(&TlsFiles { certificate: dir.join("none"), ..good.clone() }).contains("cannot read"));
    assert!(refusal(&TlsFiles { certificate: dir.to_owned(), ..good.clone() }).contains("it is not a file"));
    assert!(refusal(&TlsFiles { certificate: good.key.clone(), ..good.clone() }).contains("no usable certificate"));
    assert!(refusal(&TlsFiles { key: good.certificate.clone(), ..good.clone() }).contains("others can read"));

    authority.pair(dir, "b");
    let other = TlsFiles { key: dir.join("b.key"), ..good.clone() };
    assert!(refusal(&other).contains("does not belong to the certificate"), "{}", refusal(&other));
    for mode in [0o640, 0o604, 0o660, 0o602] {
        fs::set_permissions(&other.key, fs::Permissions::from_mode(mode)).unwrap();
        let told = refusal(&other);
        assert!(told.contains(&format!("others can read (mode {mode:o})")), "{told}");
    }
    fs::set_permissions(&other.key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&other.key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .unwrap();
    assert!(refusal(&other).contains("it is encrypted"), "{}", refusal(&other));
}

#[test]
fn authorities_of_clients() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (_, good) = made(dir);
    assert_eq!(refusal(&asking(&good, &dir.join("ca.crt"), None)), "");
    let known = dir.join("known_clients");
    fs::create_dir(&known).unwrap();
    let told = refusal(&asking(&good, &known, None));
    assert!(told.contains("no file in it ends in .crt or .pem"), "{told}");
    fs::write(known.join("readme.txt"), "not one").unwrap();
    fs::copy(dir.join("ca.crt"), known.join("team.pem")).unwrap();
    assert_eq!(refusal(&asking(&good, &known, None)), "");
    fs::write(known.join("broken.crt"), "not one").unwrap();
    let told = refusal(&asking(&good, &known, None));
    assert!(told.contains("broken.crt has no usable certificate"), "{told}");
    let told = refusal(&asking(&good, &dir.join("ca.crt"), Some(&dir.join("ca.crt"))));
    assert!(told.contains("no usable revocation list"), "{told}");
}

#[test]
fn changed_files_are_taken_up_once_they_rest() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (authority, good) = made(dir);
    let credentials = Credentials::load(good).unwrap();
    let first = credentials.current();
    let same = || Arc::ptr_eq(&credentials.current(), &first);
    credentials.refresh(Look::Patient);
    assert!(same(), "nothing has changed");

    authority.pair(dir, "a");
    credentials.refresh(Look::Patient);
    assert!(same(), "it may still be changing");
    credentials.refresh(Look::Patient);
    assert!(!same());
    assert_eq!(credentials.generation.load(Ordering::Acquire), 1);

    let second = credentials.current();
    authority.pair(dir, "a");
    assert_eq!(credentials.refresh(Look::Eager), Found::New);
    assert!(!Arc::ptr_eq(&credentials.current(), &second), "at once, if somebody says so");
    assert_eq!(credentials.refresh(Look::Eager), Found::Nothing);
}

#[test]
fn broken_files_leave_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (authority, good) = made(dir);
    let credentials = Credentials::load(good).unwrap();
    let first = credentials.current();
    for broken in ["", "nonsense"] {
        fs::write(dir.join("a.crt"), broken).unwrap();
        credentials.refresh(Look::Eager);
        assert!(Arc::ptr_eq(&credentials.current(), &first));
    }
    fs::remove_file(dir.join("a.key")).unwrap();
    credentials.refresh(Look::Eager);
    assert!(Arc::ptr_eq(&credentials.current(), &first));
    authority.pair(dir, "a");
    credentials.refresh(Look::Eager);
    assert!(!Arc::ptr_eq(&credentials.current(), &first), "and good ones are taken up after all");
}

#[test]
fn every_change_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (_, good) = made(dir);
    let known = dir.join("known_clients");
    fs::create_dir(&known).unwrap();
    let asking = asking(&good, &known, Some(&dir.join("revoked.crl")));
    let mut seen: Vec<Seen> = vec![asking.look()];
    let mut differs = |what: &str| {
        let now = asking.look();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    fs::copy(dir.join("ca.crt"), known.join("one.crt")).unwrap();
    differs("a new authority");
    fs::rename(known.join("one.crt"), known.join("two.crt")).unwrap();
    differs("another name");
    fs::write(dir.join("revoked.crl"), "x").unwrap();
    differs("a list that was not there");
    fs::copy(dir.join("ca.crt"), dir.join("new")).unwrap();
    fs::rename(dir.join("new"), dir.join("a.crt")).unwrap();
    differs("a file in the place of another");
}
