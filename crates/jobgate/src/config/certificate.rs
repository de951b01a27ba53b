//! `[auth.certificate]`: what of a client certificate names its user.

use std::fmt::Write;

use anyhow::ensure;
use jobgate_server::NamedBy;
use serde::{Deserialize, Deserializer};

use super::render::{list, quoted};

/// What of a client certificate names its user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CertificateConfig {
    /// The first of these parts that a certificate has.
    pub(crate) user: Vec<NamedBy>,
}

impl Default for CertificateConfig {
    fn default() -> Self {
        Self { user: NamedBy::USUAL.to_vec() }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    user: Option<Vec<Part>>,
}

#[derive(Debug, Clone, Copy)]
struct Part(NamedBy);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        NamedBy::ALL.into_iter().find(|part| part.as_str() == text).map(Self).ok_or_else(|| {
            let names = NamedBy::ALL.map(NamedBy::as_str).join(", ");
            serde::de::Error::custom(format!("unknown part of a certificate {text:?}, expected one of {names}"))
        })
    }
}

impl Table {
    pub(super) fn settings(self) -> anyhow::Result<CertificateConfig> {
        let Some(user) = self.user else { return Ok(CertificateConfig::default()) };
        ensure!(!user.is_empty(), "auth.certificate.user: name at least one part of a certificate");
        Ok(CertificateConfig { user: user.into_iter().map(|part| part.0).collect() })
    }
}

impl CertificateConfig {
    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let user = list(self.user.iter().map(|part| quoted(part.as_str())));
        write!(text, "\n[auth.certificate]\nuser = {user}\n").expect("invariant: a String takes everything");
    }
}
