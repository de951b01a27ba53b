//! CAS, version 2 of its protocol: a ticket, which the server tells us whose it is.

use std::sync::Arc;

use jobgate_engine::Outgoing;
use jobgate_model::Error;
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use url::Url;

use super::{Arrival, Return, refused, unavailable};
use crate::auth::jwt::TrustError;
use crate::auth::jwt::issuer::check_url;

/// The name space of CAS's answers.
const NAMESPACE: &str = "http://www.yale.edu/tp/cas";
/// An answer has at most so many bytes.
const LARGEST: usize = 256 << 10;

/// A CAS server, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasSettings {
    /// Its URL, below which `login` and `serviceValidate` are unless they are elsewhere.
    pub server: String,
    /// Where people log in, if not there.
    pub login: Option<String>,
    /// Where tickets are shown, if not there.
    pub validate: Option<String>,
    /// Put before the user's name, so that it cannot be taken for somebody else's.
    pub user_prefix: String,
}

impl CasSettings {
    /// A server whose users are users here by the same names.
    pub fn at(server: impl Into<String>) -> Self {
        Self { server: server.into(), login: None, validate: None, user_prefix: String::new() }
    }
}

/// A CAS server at work.
#[derive(Debug)]
pub(super) struct Cas {
    login: Url,
    validate: Url,
    user_prefix: String,
    outside: Arc<Outgoing>,
}

impl Cas {
    pub(super) fn open(settings: CasSettings, outside: &Arc<Outgoing>) -> Result<Self, TrustError> {
        let wrong = |why: String| TrustError::new("auth.cas.server", why);
        let place = |given: Option<String>, name: &str| {
            let usual = || format!("{}/{name}", settings.server.trim_end_matches('/'));
            check_url(&given.unwrap_or_else(usual)).map_err(wrong)
        };
        let (login, validate) = (place(settings.login, "login")?, place(settings.validate, "serviceValidate")?);
        Ok(Self { login, validate, user_prefix: settings.user_prefix, outside: Arc::clone(outside) })
    }

    /// Where to send a browser that shall come back to `service`.
    pub(super) fn start(&self, service: &str) -> Url {
        let mut url = self.login.clone();
        url.query_pairs_mut().append_pair("service", service);
        url
    }

    /// Whose ticket it is. The server answers for the very service that the browser was sent back to, and once.
    pub(super) async fn finish(&self, back: &Return<'_>) -> Result<Arrival, Error> {
        let mut url = self.validate.clone();
        url.query_pairs_mut().append_pair("service", back.redirect_uri).append_pair("ticket", back.code);
        let answer = self.outside.get(url.as_str(), &[("accept", "application/xml")]).await.map_err(unavailable)?;
        if answer.status != 200 {
            return Err(unavailable(format!("serviceValidate answered with status {}", answer.status)));
        }
        let login = user_of(&answer.body).map_err(|why| refused("the CAS server does not accept the ticket", why))?;
        Ok(Arrival::new(login, &self.user_prefix, None))
    }
}

/// The user of an answer of success: the text of `serviceResponse/authenticationSuccess/user`, all in CAS's name space.
///
/// What an attacker could put into the answer is attributes and names with markup in them; so the place counts, not the name
/// alone, there must be one such user, and documents with a DTD are not read at all.
fn user_of(xml: &[u8]) -> Result<String, String> {
    const PLACE: [&str; 3] = ["serviceResponse", "authenticationSuccess", "user"];
    if xml.len() > LARGEST {
        return Err("the answer is too large".into());
    }
    let text = std::str::from_utf8(xml).map_err(|_| "the answer is not UTF-8")?;
    let mut reader = NsReader::from_str(text);
    // the open elements: their local name, or nothing for one of another name space
    let mut open: Vec<String> = Vec::new();
    let (mut user, mut found) = (String::new(), 0_usize);
    let malformed = |error: &dyn std::fmt::Display| format!("the answer is not XML: {error}");
    loop {
        let here = open.len() == PLACE.len() && open.iter().zip(PLACE).all(|(name, wanted)| name == wanted);
        let (space, event) = reader.read_resolved_event().map_err(|error| malformed(&error))?;
        match event {
            Event::Start(element) => {
                let ours = matches!(space, ResolveResult::Bound(Namespace(NAMESPACE)));
                open.push(if ours { element.local_name().as_ref().to_owned() } else { String::new() });
                found += usize::from(open.iter().eq(PLACE.iter()));
            }
            Event::End(_) => drop(open.pop()),
            Event::Text(part) if here => user.push_str(&part.into_inner()),
            Event::CData(part) if here => user.push_str(&part.into_inner()),
            Event::GeneralRef(name) if here => user.push(character(&name)?),
            Event::DocType(_) => return Err("the answer has a DTD".into()),
            Event::Eof => break,
            _ => {}
        }
    }
    let user = user.trim();
    match found {
        1 if !user.is_empty() && open.is_empty() => Ok(user.to_owned()),
        0 => Err("the answer is not one of success".into()),
        _ => Err("the answer does not name one user".into()),
    }
}

/// The character behind `&amp;`, `&#65;` and their like. There are no other entities without a DTD.
fn character(name: &quick_xml::events::BytesRef<'_>) -> Result<char, String> {
    if let Some(character) = name.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character);
    }
    match name.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err("the answer has an unknown entity".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(inner: &str) -> Result<String, String> {
        let text = format!("<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'>{inner}</cas:serviceResponse>");
        user_of(text.as_bytes())
    }

    #[test]
    fn users() {
        for (inner, user) in [
            ("<cas:user>alice</cas:user>", "alice"),
            ("\n <cas:user> alice\n</cas:user>\n<cas:proxyGrantingTicket>P</cas:proxyGrantingTicket>", "alice"),
            ("<cas:user><![CDATA[alice]]></cas:user>", "alice"),
            ("<cas:user>al&#105;ce</cas:user>", "alice"),
            ("<cas:user>a&amp;b</cas:user>", "a&b"),
            ("<cas:attributes><cas:user>root</cas:user></cas:attributes><cas:user>alice</cas:user>", "alice"),
            ("<user xmlns='urn:x'>root</user><cas:user>alice</cas:user>", "alice"),
            ("<cas:user>al<!-- root -->ice</cas:user>", "alice"),
        ] {
            let text = format!("<cas:authenticationSuccess>{inner}</cas:authenticationSuccess>");
            assert_eq!(answer(&text), Ok(user.to_owned()), "{inner}");
        }
        let unprefixed = "<serviceResponse xmlns='http://www.yale.edu/tp/cas'><authenticationSuccess><user>bob</user>\
                          </authenticationSuccess></serviceResponse>";
        assert_eq!(user_of(unprefixed.as_bytes()), Ok("bob".into()));
    }

    #[test]
    fn what_is_no_success() {
        for text in [
            "<cas:authenticationFailure code='INVALID_TICKET'>Ticket ST-1 not recognized</cas:authenticationFailure>",
            "<cas:user>alice</cas:user>",
            "<cas:authenticationSuccess></cas:authenticationSuccess>",
            "<cas:authenticationSuccess><cas:user></cas:user></cas:authenticationSuccess>",
            "<cas:authenticationSuccess><cas:user/></cas:authenticationSuccess>",
            "<cas:authenticationSuccess><cas:user>a</cas:user><cas:user>b</cas:user></cas:authenticationSuccess>",
            "<authenticationSuccess><user>alice</user></authenticationSuccess>",
            "<cas:authenticationFailure><cas:authenticationSuccess><cas:user>a</cas:user></cas:authenticationSuccess>\
             </cas:authenticationFailure>",
            "<cas:authenticationSuccess><cas:user>&xxe;</cas:user></cas:authenticationSuccess>",
            "<cas:authenticationSuccess><cas:user>alice</cas:authenticationSuccess>",
        ] {
            assert!(answer(text).is_err(), "{text}");
        }
        for text in [
            "",
            "<html></html>",
            "yes\nalice\n",
            "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><cas:serviceResponse \
             xmlns:cas='http://www.yale.edu/tp/cas'><cas:authenticationSuccess><cas:user>&e;</cas:user>\
             </cas:authenticationSuccess></cas:serviceResponse>",
            "<cas:serviceResponse xmlns:cas='http://evil.example/'><cas:authenticationSuccess><cas:user>a</cas:user>\
             </cas:authenticationSuccess></cas:serviceResponse>",
            "<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'><cas:authenticationSuccess><cas:user>a",
        ] {
            assert!(user_of(text.as_bytes()).is_err(), "{text}");
        }
    }
}
