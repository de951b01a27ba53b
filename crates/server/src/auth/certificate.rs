//! Client certificates: from a verified one to the user that it names.
//!
//! That a certificate is genuine, of an authority that is trusted, and not revoked, is found out in the handshake
//! (`tls/`). Whom it names is a matter of its subject, in an order that the site chooses.

use std::fmt::Write;
use std::sync::Arc;

use axum::http::request::Parts;
use jobgate_model::{Error, ErrorKind, Established};
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, asn1_rs::oid};
use x509_parser::prelude::FromDer;

use super::identify::Identity;
use super::names::Vouching;
use super::{Door, Gatekeeper, local};

/// `userId` of RFC 4519, as X.509 subjects have it.
const USER_ID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);

/// A part of a certificate that can name its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The subject's user id.
    Uid,
    /// The first e-mail address of the subject's alternative names.
    Email,
    /// The first host name of the subject's alternative names.
    Dns,
    /// The subject's common name.
    CommonName,
}

impl NamedBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Uid, Self::Email, Self::Dns, Self::CommonName];
    /// The order where nothing is said: psik_api's (user id, else common name), with the e-mail address before a common name,
    /// which is often a person's full name and then no name that a user can have.
    pub const USUAL: [Self; 3] = [Self::Uid, Self::Email, Self::CommonName];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uid => "uid",
            Self::Email => "email",
            Self::Dns => "dns",
            Self::CommonName => "cn",
        }
    }
}

/// The certificate with which a client has connected; an extension of every request of its connection.
#[derive(Debug, Clone)]
pub(crate) struct ClientCertificate {
    /// Whom it is about.
    pub(crate) subject: Arc<Subject>,
    /// It counted when the connection was made, and the listener's files say otherwise since.
    pub(crate) withdrawn: bool,
}

/// What a certificate says of whom it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) uid: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) dns: Option<String>,
    pub(crate) common_name: Option<String>,
    /// The serial number in hexadecimal, as psik_api's policies see it: capital letters, two for each byte.
    pub(crate) serial: String,
    /// When it ends, in unix seconds.
    pub(crate) not_after: i64,
}

impl Subject {
    /// Reads a certificate.
    pub(crate) fn read(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let mut read = Self {
            serial: hexadecimal(certificate.raw_serial()),
            not_after: certificate.validity().not_after.timestamp(),
            ..Self::default()
        };
        for attribute in certificate.subject().iter_attributes() {
            let place = match attribute.attr_type() {
                kind if *kind == USER_ID => &mut read.uid,
                kind if *kind == OID_X509_COMMON_NAME => &mut read.common_name,
                _ => continue,
            };
            if let Ok(text) = attribute.as_str() {
                place.get_or_insert_with(|| text.to_owned());
            }
        }
        let names = certificate.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            let (place, text) = match name {
                GeneralName::RFC822Name(text) => (&mut read.email, text),
                GeneralName::DNSName(text) => (&mut read.dns, text),
                _ => continue,
            };
            place.get_or_insert_with(|| (*text).to_owned());
        }
        Some(read)
    }

    /// What it says of its user, by the first of these parts that it has.
    fn user(&self, order: &[NamedBy]) -> Option<&str> {
        order.iter().find_map(|by| match by {
            NamedBy::Uid => self.uid.as_deref(),
            NamedBy::Email => self.email.as_deref(),
            NamedBy::Dns => self.dns.as_deref(),
            NamedBy::CommonName => self.common_name.as_deref(),
        })
    }

    /// How psik_api calls the client: always by user id, else by common name.
    pub(super) fn client(&self) -> Option<String> {
        let uid = self.uid.as_ref().map(|uid| format!("uid:{uid}"));
        uid.or_else(|| self.common_name.as_ref().map(|name| format!("cn:{name}")))
    }
}

/// The certificate that counts for a request on this listener.
pub(crate) fn of<'a>(door: &Door, parts: &'a Parts) -> Option<&'a ClientCertificate> {
    parts.extensions.get().filter(|_| door.admits(Established::Certificate))
}

/// What the certificate of the connection says, if it counts here.
pub(super) fn subject<'a>(door: &Door, parts: &'a Parts) -> Option<&'a Subject> {
    of(door, parts).filter(|certificate| !certificate.withdrawn).map(|certificate| certificate.subject.as_ref())
}

/// Who asks, according to the certificate of the connection; `None`: there is none that counts here. `now`: unix seconds.
pub(super) fn identify(gate: &Gatekeeper, door: &Door, parts: &Parts, now: i64) -> Option<Result<Identity, Error>> {
    let certificate = of(door, parts)?;
    // A browser shows it for whatever page it loads.
    Some(local::refuse_web_sites(&gate.origins, parts).and_then(|()| named(gate, certificate, now)))
}

fn named(gate: &Gatekeeper, certificate: &ClientCertificate, now: i64) -> Result<Identity, Error> {
    let refused = |text: String| Err(Error::new(ErrorKind::Unauthenticated, text));
    let subject = &certificate.subject;
    if certificate.withdrawn {
        return refused("the client certificate is no longer accepted".into());
    }
    if subject.not_after < now {
        return refused("the client certificate has expired; get a new one".into());
    }
    let order = &gate.named_by;
    let Some(name) = subject.user(order) else {
        let parts = order.iter().map(|by| by.as_str()).collect::<Vec<_>>().join(", ");
        return refused(format!("the client certificate names no user (looked for: {parts})"));
    };
    match gate.names.principal(name, Established::Certificate, Vouching::Others) {
        Ok(mut principal) => {
            principal.expires = Some(subject.not_after);
            let client = subject.client().unwrap_or_else(|| format!("cn:{name}"));
            Ok(Identity::new(principal, client))
        }
        Err(why) => refused(format!("the client certificate cannot name a user here: {why}")),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let significant = bytes.iter().position(|byte| *byte != 0).map_or(&[0][..], |first| &bytes[first..]);
    significant.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("invariant: a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber};

    use super::*;

    fn subject(names: &[(DnType, &str)], alternatives: Vec<SanType>) -> Subject {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in names {
            params.distinguished_name.push(kind.clone(), *text);
        }
        params.subject_alt_names = alternatives;
        params.serial_number = Some(SerialNumber::from(0x03a2_u64));
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Subject::read(certificate.der()).unwrap()
    }

    fn uid() -> DnType {
        DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1])
    }

    #[test]
    fn what_a_certificate_says() {
        let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
        let alternatives =
            vec![SanType::DnsName("host.example".try_into().unwrap()), email("a@example.org"), email("b@example.org")];
        let read = subject(&[(DnType::CommonName, "Alice Tester"), (uid(), "alice")], alternatives);
        let expected = Subject {
            uid: Some("alice".into()),
            email: Some("a@example.org".into()),
            dns: Some("host.example".into()),
            common_name: Some("Alice Tester".into()),
            serial: "03A2".into(),
            not_after: 1_893_456_000,
        };
        assert_eq!(read, expected);
        assert_eq!(Subject::read(b"nonsense"), None);
        assert_eq!(subject(&[], Vec::new()).client(), None);
    }

    #[test]
    fn whom_it_names() {
        let email = || vec![SanType::Rfc822Name("a@example.org".try_into().unwrap())];
        let all = subject(&[(DnType::CommonName, "Alice"), (uid(), "alice")], email());
        let no_uid = subject(&[(DnType::CommonName, "Alice")], email());
        for (subject, order, user) in [
            (&all, NamedBy::USUAL.as_slice(), Some("alice")),
            (&no_uid, &NamedBy::USUAL, Some("a@example.org")),
            (&no_uid, &[NamedBy::Uid, NamedBy::CommonName], Some("Alice")),
            (&all, &[NamedBy::CommonName], Some("Alice")),
            (&no_uid, &[NamedBy::Uid, NamedBy::Dns], None),
        ] {
            assert_eq!(subject.user(order), user, "{order:?}");
        }
        // what psik_api calls them does not depend on it
        assert_eq!((all.client().unwrap(), no_uid.client().unwrap()), ("uid:alice".into(), "cn:Alice".into()));
    }

    #[test]
    fn serial_numbers_as_python_writes_them() {
        for (bytes, text) in [(&[0, 0x9a, 1][..], "9A01"), (&[3, 0xa2], "03A2"), (&[0], "00"), (&[], "00")] {
            assert_eq!(hexadecimal(bytes), text);
        }
    }
}
