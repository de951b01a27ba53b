//! Lines: how a record is written, and how lines hang together.

use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};

use super::event::{Entry, Event};

/// What `prev` is in the very first line.
pub(super) const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest text of somebody else's in a line, in characters.
const LONGEST: usize = 300;

/// A line as it is written. Texts are cut at 300 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When: RFC 3339, UTC, with microseconds.
    pub time: String,
    /// Its number, from 1.
    pub seq: u64,
    /// The kind of event.
    pub event: String,
    /// Who.
    pub who: String,
    /// How that was established.
    pub established: String,
    /// What that one is to the gateway.
    pub role: String,
    /// Its address.
    pub client: String,
    /// By which listener.
    pub via: String,
    /// What was done.
    pub what: String,
    /// To which job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// The answer's status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// So many like this one, if more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The SHA-256 of a torn line before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<String>,
    /// The SHA-256 of the line before.
    pub prev: String,
}

impl Line {
    /// A record at its place in the chain.
    pub(super) fn new(entry: &Entry, seq: u64, prev: &str) -> Self {
        let torn = match &entry.event {
            Event::Mended { torn, .. } => torn.clone(),
            _ => None,
        };
        Self {
            time: moment(entry.time),
            seq,
            event: entry.event.name().to_owned(),
            who: short(&entry.actor.who),
            established: entry.actor.established.to_owned(),
            role: entry.actor.role.to_owned(),
            client: short(&entry.actor.client),
            via: short(&entry.actor.via),
            what: short(&entry.event.what()),
            job: entry.job.as_deref().map(short),
            outcome: entry.outcome.as_str().to_owned(),
            status: entry.status,
            request_id: entry.request_id.as_deref().map(short),
            times: Some(entry.times).filter(|times| *times > 1),
            torn,
            prev: prev.to_owned(),
        }
    }

    /// Its text, without the end of the line. Whatever a terminal could take for more than a letter is escaped.
    pub(super) fn render(&self) -> String {
        let text = serde_json::to_string(self).expect("invariant: texts and numbers can be written as JSON");
        if !text.contains(is_harmful) {
            return text;
        }
        // JSON has such characters inside of its strings only, so escaping them all is right
        let mut escaped = String::with_capacity(text.len() + 32);
        for c in text.chars() {
            if is_harmful(c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").expect("invariant: a String takes everything");
                }
            } else {
                escaped.push(c);
            }
        }
        escaped
    }

    /// Reads a line.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// A time as lines have it: they sort as texts.
pub(super) fn moment(time: Timestamp) -> String {
    DateTimePrinter::new().precision(Some(6)).timestamp_to_string(&time)
}

/// The time so long before now, as lines have it.
pub fn ago(time: Duration) -> String {
    moment(Timestamp::now().checked_sub(time).unwrap_or(Timestamp::MIN))
}

/// What a secret is called in the log: enough to recognise it by for who has it, and of no use to others.
pub fn fingerprint(secret: &str) -> String {
    hash(secret.as_bytes())[..16].to_owned()
}

/// The hash of a line, without its end, in hexadecimal digits.
pub(super) fn hash(line: &[u8]) -> String {
    digest(&SHA256, line).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: a String takes everything");
        text
    })
}

/// The last line of the log, and how large the file was after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) inode: u64,
    pub(super) size: u64,
}

impl Head {
    /// The length of its file: always the same, so that writing it needs no more space on the disk.
    pub(super) const LENGTH: usize = 256;

    pub(super) fn render(&self) -> String {
        let text = serde_json::to_string(self).expect("invariant: texts and numbers can be written as JSON");
        format!("{text:<width$}\n", width = Self::LENGTH - 1)
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Control characters, and those that are invisible or turn the direction of reading.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
