//! What a token says, and whether it may be believed.

use jobgate_model::Role;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::auth::tokens::Refusal;

/// What the tokens of an issuer must be like.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Rules {
    /// The exact `iss`; `None`: the token must have none.
    pub(in crate::auth) issuer: Option<String>,
    /// One of these must be in `aud`; empty: it is not looked at.
    pub(in crate::auth) audience: Vec<String>,
    /// The only algorithms; what a token's header says is compared with them, and no more.
    pub(in crate::auth) algorithms: Vec<Algorithm>,
    /// How far the clocks may differ, in seconds.
    pub(in crate::auth) leeway: i64,
}

/// The claims of a token that may be believed.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Claims {
    values: Map<String, Value>,
    /// When it ends, in unix seconds, the leeway included.
    pub(in crate::auth) expires: i64,
}

/// A claim that makes its bearer more than a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleClaim {
    /// The claim's name; dots lead into objects (`realm_access.roles`) where there is no claim of the whole name.
    pub claim: String,
    /// What it must be, or what must be in its list.
    pub value: String,
    /// What the bearer is then.
    pub role: Role,
}

/// The header of a token, if it is one that we look at: no extensions, and no token inside of the token.
pub(in crate::auth) fn header(token: &str) -> Result<Header, Refusal> {
    let header = decode_header(token).map_err(|error| match error.kind() {
        ErrorKind::Json(_) => {
            Refusal::Wrong("the token's header is not understood, or its algorithm is no known one".into())
        }
        _ => malformed(),
    })?;
    if header.crit.is_some() {
        return Err(Refusal::Wrong("the token's header has critical extensions".into()));
    }
    if header.cty.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Refusal::Wrong("the token is nested, encrypted or compressed".into()));
    }
    Ok(header)
}

/// The `iss` that a token gives itself. Nothing of it is verified: it only says which keys to verify with.
pub(super) fn said_issuer(token: &str) -> Result<Option<String>, Refusal> {
    let claims: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| malformed())?;
    match claims.get("iss") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(issuer)) => Ok(Some(issuer.clone())),
        Some(_) => Err(Refusal::Wrong("the token's iss is not text".into())),
    }
}

fn malformed() -> Refusal {
    Refusal::Wrong("the token is malformed".into())
}

impl Rules {
    /// Whether an algorithm is one of the issuer's.
    pub(in crate::auth) fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), Refusal> {
        if self.algorithms.contains(&algorithm) {
            return Ok(());
        }
        Err(Refusal::Wrong(format!("the token's algorithm {algorithm:?} is not one of its issuer's")))
    }

    /// The claims of a token that `key` has signed, if they may be believed at `now` (unix seconds).
    pub(in crate::auth) fn verify(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
        now: i64,
    ) -> Result<Claims, Refusal> {
        self.check_algorithm(algorithm)?;
        // Only the signature is checked by the library: times are compared with the caller's clock.
        let mut rules = Validation::new(algorithm);
        rules.required_spec_claims.clear();
        (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
        let values: Map<String, Value> =
            decode(token, key, &rules).map(|decoded| decoded.claims).map_err(|error| match error.kind() {
                ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) | ErrorKind::InvalidToken => malformed(),
                _ => Refusal::Wrong("the token's signature is wrong".into()),
            })?;
        if values.get("iss").filter(|issuer| !issuer.is_null()).map(Value::as_str) != self.issuer.as_deref().map(Some) {
            return Err(Refusal::Wrong("the token's iss is not its issuer's".into()));
        }
        self.checked(values, now)
    }

    /// The claims of a token that has come straight from its issuer, over TLS: a signature would prove no more than that.
    pub(in crate::auth) fn believe(&self, token: &str, now: i64) -> Result<Claims, Refusal> {
        let values = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| malformed())?;
        self.checked(values, now)
    }

    fn checked(&self, values: Map<String, Value>, now: i64) -> Result<Claims, Refusal> {
        self.check_audience(&values)?;
        let expires = self.check_times(&values, now)?;
        Ok(Claims { values, expires })
    }

    fn check_audience(&self, values: &Map<String, Value>) -> Result<(), Refusal> {
        let wrong = |why: &str| Err(Refusal::Wrong(why.to_owned()));
        if self.audience.is_empty() {
            return Ok(());
        }
        let ours = |value: &Value| value.as_str().is_some_and(|text| self.audience.iter().any(|one| one == text));
        match values.get("aud") {
            Some(one @ Value::String(_)) if ours(one) => Ok(()),
            Some(Value::Array(many)) if many.iter().any(ours) => Ok(()),
            None | Some(Value::Null) => wrong("the token has no aud"),
            Some(_) => wrong("the token's aud is for somebody else"),
        }
    }

    /// When the token ends.
    fn check_times(&self, values: &Map<String, Value>, now: i64) -> Result<i64, Refusal> {
        let expires = time(values, "exp")?.ok_or_else(|| Refusal::Wrong("the token has no exp".into()))?;
        for name in ["nbf", "iat"] {
            if time(values, name)?.is_some_and(|time| time > now.saturating_add(self.leeway)) {
                return Err(Refusal::Wrong(format!("the token's {name} is in the future")));
            }
        }
        let expires = expires.saturating_add(self.leeway);
        if expires <= now { Err(Refusal::Expired) } else { Ok(expires) }
    }
}

/// A NumericDate: seconds, of which parts may be given.
fn time(values: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    match values.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            let whole = number.as_i64().or_else(|| number.as_u64().map(|_| i64::MAX));
            // a cast of floating point stays within the bounds
            Ok(whole.or_else(|| number.as_f64().map(|seconds| seconds as i64)))
        }
        Some(_) => Err(Refusal::Wrong(format!("the token's {name} is not a time"))),
    }
}

impl Claims {
    /// Claims that the issuer itself has told us, not by a token.
    pub(in crate::auth) fn trusted(values: Map<String, Value>, expires: i64) -> Self {
        Self { values, expires }
    }

    /// A claim of this name, or (with dots) one inside of another.
    pub(in crate::auth) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.values.get(name).or_else(|| {
            let (first, rest) = name.split_once('.')?;
            rest.split('.').try_fold(self.values.get(first)?, |value, step| value.get(step))
        });
        found.filter(|value| !value.is_null())
    }

    /// A claim that is text.
    pub(in crate::auth) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// The user that the first of these claims names. An address counts only if the issuer says that it was verified: with
    /// many, users choose it themselves.
    pub(in crate::auth) fn user(&self, names: &[String], prefix: &str) -> Result<String, Refusal> {
        let (name, value) = names
            .iter()
            .find_map(|name| self.get(name).map(|value| (name, value)))
            .ok_or_else(|| Refusal::Wrong(format!("the token names no user (claims {})", names.join(", "))))?;
        if name == "email" && self.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(Refusal::Wrong("the token's email is not said to be verified".into()));
        }
        match value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Ok(format!("{prefix}{text}")),
            None => Err(Refusal::Wrong(format!("the token's claim {name} is not a user's name"))),
        }
    }

    /// What the token makes of its bearer, if it is more than a user. Administrators come before monitors.
    pub(in crate::auth) fn role(&self, roles: &[RoleClaim]) -> Option<Role> {
        roles.iter().filter(|rule| self.has(rule)).map(|rule| rule.role).max()
    }

    fn has(&self, rule: &RoleClaim) -> bool {
        match self.get(&rule.claim) {
            // RFC 8693: words with spaces between them
            Some(Value::String(text)) if rule.claim == "scope" => text.split(' ').any(|word| word == rule.value),
            Some(Value::String(text)) => *text == rule.value,
            Some(Value::Array(list)) => list.iter().any(|value| value == rule.value.as_str()),
            _ => false,
        }
    }
}
