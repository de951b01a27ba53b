//! Who gets a token from `GET /token`.

use jobgate_model::{Error, ErrorKind, Established, LOCAL, Role};

use super::biscuit::{Grant, revocation_id};
use super::identify::Identity;
use super::{Gatekeeper, about};

/// A token that was made.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: String,
    /// For whom, as psik_api calls users: `uid:alice`.
    pub(crate) user: String,
    /// By what it can be revoked.
    pub(crate) id: String,
}

/// A token for this one, or nothing where psik_api has none: for clients of its local mode, and for those of whom only the
/// address is known. `now`: unix seconds.
pub(crate) fn issue(gate: &Gatekeeper, identity: &Identity, now: i64) -> Result<Option<Issued>, Error> {
    let principal = &identity.principal;
    let Some(biscuits) = &gate.main.tokens.biscuits else { return Ok(None) };
    match (principal.established, principal.role) {
        // Its restrictions, and its end, would be gone.
        (Established::Biscuit, _) => {
            let text = "a token is given for a login or a certificate, never for another token; restrict the one that you have \
                        instead (`jobgate token attenuate`)";
            return Err(Error::new(ErrorKind::Forbidden, text));
        }
        (Established::Local | Established::Process | Established::Address, _) | (_, Role::Stranger | Role::Monitor) => {
            return Ok(None);
        }
        (_, Role::User | Role::Administrator) => {}
    }
    // It never outlives what it was given for.
    let end = now.saturating_add(biscuits.lifespan());
    let expires = principal.expires.map_or(end, |earlier| end.min(earlier));
    let user = if principal.name == LOCAL { format!("uid:{}", gate.names.login) } else { about::user(identity) };
    let backends = principal.backends.as_ref();
    // What a certificate authority or an identity provider calls `root` must not become root by way of a token of ours.
    let grant = Grant { user: &user, vouching: identity.vouching, expires, backends };
    let failed = |error: String| Error::internal("the gateway cannot make tokens", error);
    let token = biscuits.mint(&grant).map_err(|error| failed(error.to_string()))?;
    let id = revocation_id(&token).map_err(failed)?;
    tracing::info!(who = principal.name, established = principal.established.as_str(), id, "a token is issued");
    Ok(Some(Issued { token, user, id }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jobgate_model::Principal;

    use super::super::biscuit::BiscuitSettings;
    use super::super::{AuthSettings, Behind, Door, Mode, Names, Vouching};
    use super::*;

    fn gate(dir: &tempfile::TempDir) -> Gatekeeper {
        let settings = AuthSettings {
            names: Names { login: "gate".into(), administrators: vec!["boss".into()], ..Names::default() },
            biscuit: Some(BiscuitSettings::below(dir.path())),
            ..AuthSettings::default()
        };
        Gatekeeper::new(Mode::Insecure, &[], &settings, Vec::new(), Behind::default(), Vec::new())
    }

    /// Who comes back with the token that was given to this one.
    async fn again(
        gate: &Gatekeeper,
        who: (Established, Vouching),
        role: Role,
        name: &str,
        client: &str,
    ) -> (String, Role) {
        let (how, vouching) = who;
        let identity = Identity { vouching, ..Identity::new(Principal::new(name, how, role), client.into()) };
        let token = issue(gate, &identity, 1000).unwrap().unwrap();
        let principal =
            gate.main.tokens.check(&Door::of(Mode::Insecure), &token.token, 1000, || Ok(())).await.unwrap().principal;
        (principal.name, principal.role)
    }

    #[tokio::test]
    async fn nobody_gains_by_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let gate = gate(&dir);
        let [certificate, session, issuer] =
            [Established::Certificate, Established::Session, Established::Jwt].map(|how| (how, Vouching::Others));
        let [socket, slurm] = [Established::Socket, Established::Jwt].map(|how| (how, Vouching::Ours));
        for (how, role, name, client) in [
            (certificate, Role::User, "alice", "uid:alice"),
            (certificate, Role::User, "alice", "cn:alice"),
            // whom others call so
            (certificate, Role::User, "root", "uid:root"),
            (session, Role::User, "root", "addr:192.0.2.1"),
            (issuer, Role::User, "gate", "addr:192.0.2.1"),
            (certificate, Role::Administrator, "boss", "cn:boss"),
            // and whom we do
            (slurm, Role::Administrator, "root", "addr:192.0.2.1"),
            (socket, Role::Administrator, "root", "addr:unix"),
            (socket, Role::Administrator, LOCAL, "addr:unix"),
        ] {
            assert_eq!(again(&gate, how, role, name, client).await, (name.to_owned(), role), "{how:?} {name}");
        }
        // what a provider claims for a while is not in a token
        let claimed = again(&gate, session, Role::Administrator, "alice", "addr:192.0.2.1").await;
        assert_eq!(claimed, ("alice".into(), Role::User));
    }

    #[tokio::test]
    async fn restrictions_and_ends_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let gate = gate(&dir);
        let mut identity = Identity::new(Principal::new("alice", Established::Session, Role::User), String::new());
        identity.principal.expires = Some(2000);
        identity.principal.backends = Some(BTreeSet::from(["other".to_owned()]));
        let token = issue(&gate, &identity, 1000).unwrap().unwrap();
        let shown = super::super::token::parse(&token.token).unwrap();
        assert!(shown[0].contains("$time < 1970-01-01T00:33:20Z") && shown[0].contains("{\"other\"}"), "{shown:?}");
        for (how, role) in [
            (Established::Local, Role::Administrator),
            (Established::Address, Role::Stranger),
            (Established::Secret, Role::Monitor),
        ] {
            let identity = Identity::new(Principal::new("alice", how, role), String::new());
            assert!(issue(&gate, &identity, 1000).unwrap().is_none(), "{how:?}");
        }
    }
}
