//! Who asks.

mod hash;
mod munge;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::Kind;
use super::codec::{Text, Wire, Writer};

/// Slurm's numbers of kinds of credentials.
pub(super) const MUNGE: u32 = 101;
pub(super) const JWT: u32 = 102;
/// No token is longer: a site's own claims are small.
const LONGEST: usize = 64 << 10;
/// The kind of digest that ties a credential to a message.
const K12: u8 = 2;

/// Who asks. The controller decides for whom it answers and what they see, so answers to different callers are different.
///
/// Its text is secret and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Is);

#[derive(Clone, PartialEq, Eq)]
enum Is {
    Token { token: String, user: Option<String> },
    Munge { socket: PathBuf, reader: Option<u32>, until: Option<Instant> },
}

/// Why a text is no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// There is no token.
    #[error("the token is empty")]
    Empty,
    /// It is longer than any token.
    #[error("the token or the user's name is longer than {LONGEST} bytes")]
    Long,
    /// A NUL would end the text.
    #[error("the token or the user's name has a NUL in it")]
    Nul,
    /// MUNGE says itself who asks.
    #[error("only a token can stand for another user")]
    Own,
}

impl Credential {
    /// A token that the controller's `auth/jwt` accepts: the caller's own, or one that the site's key has signed for the caller.
    pub fn jwt(token: impl Into<String>) -> Result<Self, CredentialError> {
        let token = token.into();
        check(&token)?;
        if token.is_empty() {
            return Err(CredentialError::Empty);
        }
        Ok(Self(Is::Token { token, user: None }))
    }

    /// For another user than the token's: the controller accepts it of root and of its own user only.
    pub fn acting_for(self, user: impl Into<String>) -> Result<Self, CredentialError> {
        let user = user.into();
        check(&user)?;
        match self.0 {
            Is::Token { token, .. } => Ok(Self(Is::Token { token, user: Some(user).filter(|user| !user.is_empty()) })),
            Is::Munge { .. } => Err(CredentialError::Own),
        }
    }

    /// The token, if it is one, for where it is sent in another way. It is a secret.
    pub fn token(&self) -> Option<&str> {
        match &self.0 {
            Is::Token { token, .. } => Some(token),
            Is::Munge { .. } => None,
        }
    }

    /// The user that is acted for, if it is another than the token's.
    pub fn user(&self) -> Option<&str> {
        match &self.0 {
            Is::Token { user, .. } => user.as_deref(),
            Is::Munge { .. } => None,
        }
    }

    /// The user whose process this is, as `munged` of this host says it: for each message it is asked anew, through its socket
    /// (`None`: where it listens if nobody says otherwise). Only for a controller that shares the key of this host.
    ///
    /// `reader` is the number of the controller's user (`SlurmUser`): nobody else can look into what is sent then.
    pub fn munge(socket: Option<PathBuf>, reader: Option<u32>) -> Self {
        Self(Is::Munge { socket: socket.unwrap_or_else(|| PathBuf::from(munge::SOCKET)), reader, until: None })
    }

    /// The same, good until so much time from now has passed, if it is one of MUNGE: however late it is sent, it lasts no longer.
    /// Otherwise `munged` says how long it is good from when it is sent, which is five minutes unless it is told otherwise. How
    /// long a token is good is said by itself.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        if let Is::Munge { until, .. } = &mut self.0 {
            *until = Some(Instant::now() + time);
        }
        self
    }

    /// Writes it, as it is for a message of this kind with this body. Fails where `munged` gives none.
    pub(super) fn write(&self, to: &mut Writer, kind: Kind, body: &[u8]) -> io::Result<()> {
        match &self.0 {
            Is::Token { token, user } => {
                to.u32(JWT);
                Text::of(token).write(to);
                user.as_deref().map_or(Text::NONE, Text::of).write(to);
            }
            Is::Munge { socket, reader, until } => {
                let seconds = until.map_or(Ok(munge::USUAL), left_until)?;
                let digest = hash::kangaroo_twelve(body, &kind.0.to_be_bytes());
                let credential = munge::encode(socket, &[&[K12][..], &digest].concat(), *reader, seconds)?;
                to.u32(MUNGE);
                Text::of(&credential).write(to);
            }
        }
        Ok(())
    }
}

/// How many whole seconds are left.
fn left_until(end: Instant) -> io::Result<u32> {
    let left = end.saturating_duration_since(Instant::now()).as_secs();
    let late =
        || io::Error::new(io::ErrorKind::TimedOut, "it was kept waiting for longer than a credential is to last");
    u32::try_from(left).ok().filter(|left| *left > 0).ok_or_else(late)
}

fn check(text: &str) -> Result<(), CredentialError> {
    if text.len() > LONGEST {
        return Err(CredentialError::Long);
    }
    if text.contains('\0') { Err(CredentialError::Nul) } else { Ok(()) }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credential");
        match &self.0 {
            Is::Token { user, .. } => shown.field("user", user),
            Is::Munge { socket, .. } => shown.field("munge", socket),
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::Protocol;

    #[test]
    fn a_token_and_a_name_are_two_texts() {
        let bytes = |credential: Credential| {
            let mut out = Writer::new(Protocol::V24_11);
            credential.write(&mut out, Kind::PING, b"").unwrap();
            out.into_bytes()
        };
        let own = Credential::jwt("a.b.c").unwrap();
        assert_eq!(bytes(own.clone()), *b"\0\0\0\x66\0\0\0\x06a.b.c\0\0\0\0\0");
        assert_eq!(bytes(own.clone().acting_for("bob").unwrap()), *b"\0\0\0\x66\0\0\0\x06a.b.c\0\0\0\0\x04bob\0");
        assert_eq!(own.clone().acting_for("").unwrap(), own);
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", Credential::jwt("secret").unwrap().acting_for("bob").unwrap());
        assert!(!shown.contains("secret") && shown.contains("bob"), "{shown}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert_eq!(Credential::jwt(""), Err(CredentialError::Empty));
        assert_eq!(Credential::jwt("a\0b"), Err(CredentialError::Nul));
        assert_eq!(Credential::jwt("a".repeat(LONGEST + 1)), Err(CredentialError::Long));
        assert_eq!(Credential::jwt("a").unwrap().acting_for("b\0"), Err(CredentialError::Nul));
        assert_eq!(Credential::munge(None, None).acting_for("bob"), Err(CredentialError::Own));
    }

    /// It counts from when it was made, not from when its turn has come.
    #[test]
    fn what_is_sent_too_late_gets_no_credential() {
        assert_eq!(left_until(Instant::now() + Duration::from_millis(20_500)).unwrap(), 20);
        assert!(left_until(Instant::now() + Duration::from_millis(900)).is_err());
        assert!(left_until(Instant::now()).is_err());
        let late = Credential::munge(Some("/nowhere".into()), None).lasting(Duration::ZERO);
        let mut out = Writer::new(Protocol::V24_11);
        assert_eq!(late.write(&mut out, Kind::PING, b"").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
