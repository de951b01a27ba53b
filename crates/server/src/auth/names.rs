//! From a user's name to a principal: the one place that says who is an administrator.

use std::fmt;
use std::sync::Arc;

use jobgate_model::{Established, LOCAL, Principal, Role, is_user_name};

/// Who is who.
#[derive(Clone)]
pub struct Names {
    /// The login of the user that this process runs as: the owner of psik's local mode.
    pub login: String,
    /// Names that may do everything.
    pub administrators: Vec<String>,
    /// The login of a user of this machine, by its number.
    pub of_uid: Arc<dyn Fn(u32) -> Option<String> + Send + Sync>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, administrators, .. } = self;
        f.debug_struct("Names").field("login", login).field("administrators", administrators).finish_non_exhaustive()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self { login: String::new(), administrators: Vec::new(), of_uid: Arc::new(|_| None) }
    }
}

/// Whose word it is that somebody has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouching {
    /// This machine's, or that of a key which only it and its administrators have: `root` is root.
    Ours,
    /// Somebody else's (a certificate authority, an identity provider): a user there who is called `root` is nobody special.
    Others,
}

impl Names {
    /// The principal of this name. `Err`: it is no name that a user can have here.
    pub(crate) fn principal(&self, name: &str, how: Established, vouching: Vouching) -> Result<Principal, String> {
        if !is_user_name(name) {
            return Err("the user's name is empty, too long, or has characters that no name may have here".into());
        }
        if vouching == Vouching::Ours && name == self.login {
            return Ok(Principal::local(how));
        }
        let role = if self.is_administrator(name, vouching) { Role::Administrator } else { Role::User };
        Ok(Principal::new(name, how, role))
    }

    /// The login behind a principal: jobs of psik's local mode are this process's own user's.
    pub(crate) fn login_name<'a>(&'a self, principal: &'a Principal) -> &'a str {
        if principal.name == LOCAL { &self.login } else { &principal.name }
    }

    /// Whether this user of this machine may do everything.
    pub fn may_do_everything(&self, name: &str) -> bool {
        self.is_administrator(name, Vouching::Ours)
    }

    /// Whether this user may do everything.
    pub(crate) fn is_administrator(&self, name: &str, vouching: Vouching) -> bool {
        let ours = vouching == Vouching::Ours && (name == "root" || name == self.login);
        ours || self.administrators.iter().any(|one| one == name)
    }
}

/// What somebody is whom the configuration makes `role`, and of whom claims say more. Who is an administrator here stays one.
pub(super) fn with_claims(role: Role, claimed: Option<Role>) -> Role {
    match (role, claimed) {
        (_, Some(Role::Administrator)) | (Role::Administrator, _) => Role::Administrator,
        (_, Some(claimed)) => claimed,
        (role, None) => role,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_who() {
        let names = Names { login: "gate".into(), administrators: vec!["boss".into()], ..Names::default() };
        let role = |name: &str, vouching| {
            let principal = names.principal(name, Established::Jwt, vouching).unwrap();
            (principal.name, principal.role)
        };
        assert_eq!(role("gate", Vouching::Ours), (LOCAL.into(), Role::Administrator));
        assert_eq!(role("gate", Vouching::Others), ("gate".into(), Role::User));
        assert_eq!(role("root", Vouching::Ours), ("root".into(), Role::Administrator));
        assert_eq!(role("root", Vouching::Others), ("root".into(), Role::User));
        assert_eq!(role("boss", Vouching::Others), ("boss".into(), Role::Administrator));
        assert_eq!(role("alice", Vouching::Ours), ("alice".into(), Role::User));
    }

    #[test]
    fn names_that_nobody_can_have() {
        let long = "x".repeat(200);
        for bad in ["", "local:psik_api", "addr:127.0.0.1", "a b", "a\nb", "a\"b", "../x", "a,b", &long] {
            assert!(Names::default().principal(bad, Established::Jwt, Vouching::Ours).is_err(), "{bad}");
        }
        for good in ["alice", "alice@example.org", "Ünal", "a-b_c.d", "4711", "svc$"] {
            assert!(Names::default().principal(good, Established::Jwt, Vouching::Others).is_ok(), "{good}");
        }
    }
}
