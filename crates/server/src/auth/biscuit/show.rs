//! What is in a token, for people.

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::error::{Base64Error, Token};
use biscuit_auth::parser::Error;

use super::revoked;
use super::verify::{Biscuits, LONGEST, MOST_BLOCKS};

/// Tokens that nobody has verified are shown up to this length, in bytes of their text.
const LONGEST_SHOWN: usize = 4 << 10;

/// A token as it is read without any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its blocks, the authority block first.
    pub blocks: Vec<Shown>,
    /// The id of the key that is said to have signed it.
    pub root_key_id: Option<u32>,
    /// Whose it is, or why it does not count here.
    pub verdict: Result<String, String>,
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its Datalog.
    pub datalog: String,
    /// Its revocation id, in hexadecimal digits.
    pub revocation_id: String,
    /// Who signed it, if that was a third party.
    pub third_party: Option<String>,
}

/// The Datalog of a token's blocks, the authority block first; nothing is verified. `Err`: why it cannot be read.
pub(crate) fn blocks(text: &str) -> Result<Vec<String>, String> {
    // A text that is used often stands in a token once, and often in what is shown: what nobody has vouched for must be short.
    if text.len() > LONGEST_SHOWN {
        return Err(format!(
            "a token of more than {LONGEST_SHOWN} bytes is not shown; `jobgate token inspect` shows it"
        ));
    }
    print(&read(text)?)
}

/// Whether a text can be read as a biscuit.
pub(crate) fn is_biscuit(text: &str) -> bool {
    read(text).is_ok()
}

fn print(token: &UnverifiedBiscuit) -> Result<Vec<String>, String> {
    (0..token.block_count()).map(|index| token.print_block_source(index).map_err(|error| explain(&error))).collect()
}

/// By what a token, with all that is made from it, can be revoked: the id of its last block, in hexadecimal digits.
pub fn revocation_id(text: &str) -> Result<String, String> {
    let token = read(text)?;
    Ok(token.revocation_identifiers().last().map(|id| revoked::show(id)).unwrap_or_default())
}

/// Looks into a token. `now`: unix seconds.
pub fn inspect(text: &str, biscuits: &Biscuits, now: i64) -> Result<Inspection, String> {
    let token = read(text)?;
    let (ids, parties) = (token.revocation_identifiers(), token.external_public_keys());
    let shown = print(&token)?.into_iter().enumerate().map(|(index, datalog)| Shown {
        datalog,
        revocation_id: ids.get(index).map(|id| revoked::show(id)).unwrap_or_default(),
        third_party: parties.get(index).and_then(|key| key.map(|key| key.to_string())),
    });
    let verdict = biscuits.verify(text, now).map(|verified| verified.user().to_owned());
    Ok(Inspection { blocks: shown.collect(), root_key_id: token.root_key_id(), verdict })
}

/// Reads a token without verifying it.
pub(super) fn read(text: &str) -> Result<UnverifiedBiscuit, String> {
    if text.len() > LONGEST {
        return Err(format!("the token is longer than {LONGEST} bytes"));
    }
    let token = UnverifiedBiscuit::from_base64(text).map_err(|error| explain(&error))?;
    if token.block_count() > MOST_BLOCKS { Err(too_many_blocks()) } else { Ok(token) }
}

pub(super) fn too_many_blocks() -> String {
    format!("the token has more than {MOST_BLOCKS} blocks")
}

/// What the library says is wrong. It repeats nothing of the token but its Datalog.
pub(super) fn explain(error: &Token) -> String {
    match error {
        Token::Base64(Base64Error::InvalidByte(at, _)) => format!("it is not URL-safe base64 at byte {at}"),
        Token::Base64(_) => "it is not URL-safe base64".into(),
        Token::Format(format) => format.to_string(),
        other => other.to_string(),
    }
}

/// Where a text is not in biscuit's language, and why: a byte's place, counted from its start.
pub(super) fn first_error(text: &str, errors: &[Error<'_>]) -> (usize, String) {
    let Some(first) = errors.first() else { return (0, "it cannot be read".into()) };
    // the library gives the piece of the text that it could not read
    let at = (first.input.as_ptr() as usize).checked_sub(text.as_ptr() as usize).filter(|at| *at <= text.len());
    let blank = first.input.len() - first.input.trim_start().len();
    (at.map_or(0, |at| at + blank), first.message.clone().unwrap_or_else(|| "this cannot be read".into()))
}
