//! The files of an authority: `ca.crt` and `ca.key`, `clients/NAME.crt` and `.key`, `servers/HOST.crt` and `.key`.
//!
//! Keys are ECDSA on P-256, which every client takes (browsers take no Ed25519).

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;

use super::{DAY, Listed, now};

/// `userId`, of RFC 4519.
const USER_ID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
/// Clocks of clients may be behind by so many seconds.
const SKEW: i64 = 60 * 60;

/// Who signs.
pub(super) struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    not_after: i64,
}

/// A new pair of files.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// When the certificate ends, in unix seconds.
    pub(super) not_after: i64,
}

impl Authority {
    /// Where its certificate is.
    pub(super) fn certificate(dir: &Path) -> PathBuf {
        dir.join("ca.crt")
    }

    /// Makes one. What is there already stays as it is, and is an error.
    pub(super) fn make(dir: &Path, name: &str, days: u32) -> anyhow::Result<Made> {
        let not_after = now() + i64::from(days) * DAY;
        let mut params = params(not_after);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        private_directory(dir)?;
        keep(dir, "ca", &certificate.pem(), &key, not_after)
    }

    /// The one that was made here.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let (path, key) = (Self::certificate(dir), dir.join("ca.key"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; `jobgate certs init` makes an authority", path.display()))?;
        let secret = private_key(&key)?;
        let secret = KeyPair::from_pem(&secret).with_context(|| format!("{} is no private key", key.display()))?;
        let not_after = read(&path, "authority")?.not_after;
        ensure!(not_after > now(), "the authority {} has expired; make a new one elsewhere (--dir)", path.display());
        let issuer = Issuer::from_ca_cert_pem(&text, secret)
            .with_context(|| format!("{} is not the certificate of an authority", path.display()))?;
        Ok(Self { dir: dir.to_owned(), issuer, not_after })
    }

    /// A certificate for a user.
    pub(super) fn add_client(&self, name: &str, email: Option<&str>, days: u32) -> anyhow::Result<Made> {
        let (mut params, not_after) = self.leaf(days, ExtendedKeyUsagePurpose::ClientAuth);
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::CustomDnType(USER_ID.to_vec()), name);
        if let Some(email) = email {
            params.subject_alt_names.push(SanType::Rfc822Name(email.try_into()?));
        }
        self.sign(&params, "clients", name, not_after)
    }

    /// A certificate for a server.
    pub(super) fn add_server(&self, file: &str, hosts: &[String], days: u32) -> anyhow::Result<Made> {
        let (mut params, not_after) = self.leaf(days, ExtendedKeyUsagePurpose::ServerAuth);
        // a common name is for people; it holds 64 characters, and clients look at the alternative names only
        if let Some(name) = hosts.first().filter(|name| name.len() <= 64) {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        for host in hosts {
            params.subject_alt_names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into()?),
            });
        }
        self.sign(&params, "servers", file, not_after)
    }

    fn leaf(&self, days: u32, purpose: ExtendedKeyUsagePurpose) -> (CertificateParams, i64) {
        let not_after = self.not_after.min(now() + i64::from(days) * DAY);
        let mut params = params(not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        (params, not_after)
    }

    fn sign(&self, params: &CertificateParams, folder: &str, name: &str, not_after: i64) -> anyhow::Result<Made> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let dir = self.dir.join(folder);
        private_directory(&dir)?;
        keep(&dir, name, &certificate.pem(), &key, not_after)
    }
}

/// All certificates of a directory: the authority, servers, clients.
pub(super) fn list(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let mut all = Vec::new();
    let authority = Authority::certificate(dir);
    if authority.exists() {
        all.push(read(&authority, "authority")?);
    }
    for (folder, kind) in [("servers", "server"), ("clients", "client")] {
        let dir = dir.join(folder);
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(error),
        };
        let entries = entries.with_context(|| format!("cannot list {}", dir.display()))?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "crt"));
        paths.sort();
        for path in paths {
            all.push(read(&path, kind)?);
        }
    }
    Ok(all)
}

fn params(not_after: i64) -> CertificateParams {
    let instant = |seconds: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.max(0).cast_unsigned());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = instant(now() - SKEW);
    params.not_after = instant(not_after);
    params
}

/// What a certificate says of itself.
fn read(path: &Path, kind: &'static str) -> anyhow::Result<Listed> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let pem = parse_x509_pem(&text).ok().map(|(_, pem)| pem);
    let Some(certificate) = pem.as_ref().and_then(|pem| pem.parse_x509().ok()) else {
        bail!("{} is no certificate in PEM form", path.display());
    };
    let name = name_of(&certificate);
    Ok(Listed { kind, name, not_after: certificate.validity().not_after.timestamp(), file: path.to_owned() })
}

fn name_of(certificate: &X509Certificate<'_>) -> String {
    let name = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    name.map_or_else(|| certificate.subject().to_string(), str::to_owned)
}

/// A secret that nobody else can read.
fn private_key(path: &Path) -> anyhow::Result<String> {
    let mode = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.mode();
    let others = mode & 0o077;
    ensure!(others == 0, "{} can be read by others; `chmod 600` it", path.display());
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn private_directory(dir: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make the directory {}", dir.display()))
}

/// Writes `NAME.key` and `NAME.crt`, neither of which may exist.
fn keep(dir: &Path, name: &str, certificate: &str, key: &KeyPair, not_after: i64) -> anyhow::Result<Made> {
    let path = |ending: &str| dir.join(format!("{name}.{ending}"));
    let made = Made { certificate: path("crt"), key: path("key"), not_after };
    for path in [&made.certificate, &made.key] {
        ensure!(!path.exists(), "{} exists, and is not overwritten; move it away first", path.display());
    }
    write(&made.key, 0o600, &key.serialize_pem())?;
    if let Err(error) = write(&made.certificate, 0o644, certificate) {
        // a key without its certificate would be in the way of the next attempt
        drop(std::fs::remove_file(&made.key));
        return Err(error);
    }
    Ok(made)
}

fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let file = File::options().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("cannot write {}", path.display()))
}
