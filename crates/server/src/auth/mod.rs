//! Who may ask for what. This is the only place where that is decided, for every route of every dialect.
//!
//! A route belongs to an [`Audience`] (see `router.rs`). [`gate`] stands before all of them: it says who asks (`identify.rs`,
//! and `slurm.rs` for the headers of Slurm's clients), whether that one may do this (`decide.rs`), and hands the outcome to
//! the dialect, which says no in its own words. Which kinds of identity count is a matter of the listener: its [`Door`].

mod about;
pub(crate) mod autosubmit;
pub mod biscuit;
pub(crate) mod certificate;
mod decide;
mod door;
mod identify;
mod issue;
mod jwt;
mod keyfile;
mod local;
pub(crate) mod login;
mod names;
mod rates;
mod secrets;
pub(crate) mod slurm;
pub(crate) mod token;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use jobgate_engine::audit::Event;
use jobgate_model::{Error, ErrorKind, Established, Principal, Role};

pub(crate) use autosubmit::Guard;
pub use autosubmit::{AutosubmitKeys, Protection, SigningKey};
use biscuit::{BiscuitSettings, Biscuits, SitePolicy};
use decide::Dialect;
pub use door::{Clients, Door, Mode, Wire};
pub(crate) use identify::Identity;
use identify::{Standing, client_of};
pub(crate) use issue::issue;
pub use jwt::{Freshness, Issuer, IssuerSettings, KeySource, RoleClaim, SlurmKeys, TrustError, shared_key};
pub use keyfile::make as make_secret;
use login::Brought;
pub use login::{
    CasSettings, ClaimsFrom, ClientSecret, GithubSettings, LoginSettings, Logins, OidcSettings, ProviderSettings,
    SecretMethod, Whereabouts,
};
pub use names::{Names, Vouching};
pub(crate) use rates::Passed;
pub use rates::RateSettings;
use rates::Rates;
pub use secrets::{Secret, SecretSettings};
use slurm::{Accepted, Asking};
use tokens::Tokens;

use crate::accept::Peer;
use crate::app::App;
use crate::audit::Trail;
use crate::cors::Origin;
use crate::psik::error::Fault;
use certificate::NamedBy;

/// Whom to trust with what.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Who is who.
    pub names: Names,
    /// Keys of Slurm's tokens.
    pub slurm_keys: SlurmKeys,
    /// What counts in Slurm's dialect.
    pub accepted: Accepted,
    /// What of a client certificate names its user, in this order.
    pub named_by: Vec<NamedBy>,
    /// How often somebody may ask.
    pub rates: RateSettings,
    /// Other web sites whose pages may use this gateway.
    pub origins: Vec<Origin>,
    /// Biscuits; `None`: there are none.
    pub biscuit: Option<BiscuitSettings>,
    /// The site's policy, in biscuit's language.
    pub policy: Option<PathBuf>,
    /// Whose JSON Web Tokens count besides.
    pub issuers: Vec<Arc<Issuer>>,
    /// Secrets of programs that watch.
    pub secrets: Vec<Arc<Secret>>,
    /// Logins of people, if there are any.
    pub logins: Option<Arc<Logins>>,
    /// What counts in Autosubmit's dialect besides.
    pub autosubmit: AutosubmitKeys,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            names: Names::default(),
            slurm_keys: SlurmKeys::default(),
            accepted: Accepted::default(),
            named_by: NamedBy::USUAL.to_vec(),
            rates: RateSettings::default(),
            origins: Vec::new(),
            biscuit: None,
            policy: None,
            issuers: Vec::new(),
            secrets: Vec::new(),
            logins: None,
            autosubmit: AutosubmitKeys::default(),
        }
    }
}

/// What the gate knows.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    mode: Mode,
    /// For connections that came by no listener of which more is said.
    door: Arc<Door>,
    hosts: Vec<String>,
    uid: u32,
    names: Names,
    accepted: Accepted,
    named_by: Vec<NamedBy>,
    /// The main cluster; its tokens count in other dialects, too.
    main: Served,
    clusters: Vec<Served>,
    origins: Vec<Origin>,
    pub(crate) rates: Rates,
    policy: SitePolicy,
    /// The names of all backends, for what policies and tokens say about them.
    backends: Vec<String>,
    logins: Option<Arc<Logins>>,
    autosubmit: AutosubmitKeys,
}

/// What is to be known of a cluster of Slurm's.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// The keys of its tokens.
    pub(crate) keys: SlurmKeys,
    /// The names of the backends whose runs it shows: it has one queue for all of them.
    pub(crate) backends: Vec<String>,
    /// As whom its jobs run.
    pub(crate) runs_as: RunsAs,
}

/// As whom the jobs of a cluster run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RunsAs {
    /// All as the user that runs this gateway.
    #[default]
    Gateway,
    /// Each as its owner.
    Owner,
}

/// A cluster of Slurm's, as the gate sees it.
#[derive(Debug)]
struct Served {
    /// What counts as a token.
    tokens: Tokens,
    backends: Vec<String>,
    runs_as: RunsAs,
}

impl Gatekeeper {
    pub(crate) fn new(
        mode: Mode,
        hosts: &[String],
        settings: &AuthSettings,
        backends: Vec<String>,
        main: Behind,
        clusters: Vec<Behind>,
    ) -> Self {
        let settings = settings.clone();
        let AuthSettings { names, accepted, named_by, rates, origins, logins, autosubmit, .. } = settings;
        let biscuits = settings.biscuit.map(|settings| Arc::new(Biscuits::new(settings)));
        // one cluster's key proves nothing to another, nor in other dialects
        let served = |Behind { keys, backends, runs_as }| {
            let tokens = Tokens {
                issuers: jwt::Issuers::new(keys, settings.issuers.clone()),
                secrets: settings.secrets.clone(),
                names: names.clone(),
                biscuits: biscuits.clone(),
            };
            Served { tokens, backends, runs_as }
        };
        Self {
            mode,
            door: Arc::new(Door::of(mode)),
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            uid: rustix::process::geteuid().as_raw(),
            main: served(main),
            clusters: clusters.into_iter().map(served).collect(),
            policy: SitePolicy::new(settings.policy),
            backends,
            logins,
            autosubmit,
            names,
            accepted,
            named_by,
            origins,
            rates: Rates::new(rates),
        }
    }

    fn of_cluster(&self, cluster: Cluster) -> &Served {
        match cluster {
            Cluster::Main => &self.main,
            Cluster::Further(place) => &self.clusters[place],
        }
    }

    /// There is no dialect but Slurm's.
    pub(crate) fn speaks_slurm_only(&self) -> bool {
        self.mode == Mode::Tokens
    }

    /// There is no dialect but Autosubmit's.
    pub(crate) fn speaks_autosubmit_only(&self) -> bool {
        self.mode == Mode::Autosubmit
    }

    /// What counts in Autosubmit's dialect besides.
    pub(crate) fn autosubmit(&self) -> &AutosubmitKeys {
        &self.autosubmit
    }

    /// Other web sites whose pages may use this gateway.
    pub(crate) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Logins of people, if there are any.
    pub(crate) fn logins(&self) -> Option<&Logins> {
        self.logins.as_deref()
    }

    /// The listener by which a request came in.
    pub(crate) fn door_of(&self, parts: &Parts) -> Arc<Door> {
        Arc::clone(parts.extensions.get::<Arc<Door>>().unwrap_or(&self.door))
    }

    /// The principal of a session.
    pub(crate) fn principal_of(&self, session: &login::Session) -> Result<Principal, Error> {
        let principal = self.names.principal(&session.user, Established::Session, Vouching::Others);
        let mut principal = principal.map_err(|why| Error::new(ErrorKind::Unauthenticated, why))?;
        principal.role = names::with_claims(principal.role, session.role());
        principal.expires = Some(session.expires);
        Ok(principal)
    }

    /// Who asks, according to the cookies of a browser.
    fn by_cookie(&self, door: &Door, parts: &Parts, dialect: Dialect, now: i64) -> Option<Result<Principal, Error>> {
        let logins = self.logins.as_ref().filter(|_| door.admits(Established::Session))?;
        let access = about::access(&parts.method, parts.uri.path(), dialect);
        match logins.brought(door, parts, access, now) {
            Brought::Nothing => None,
            Brought::Ended => {
                let why = "the session has ended; log in again at /auth/login";
                Some(Err(Error::new(ErrorKind::Unauthenticated, why)))
            }
            Brought::Forged(error) => Some(Err(error)),
            Brought::Session(session) => Some(self.principal_of(&session)),
        }
    }

    /// The principal of a user as whom an administrator acts: in what it may do for itself, and never beyond the backends that
    /// the administrator's own credentials are for.
    pub(crate) fn on_behalf(&self, asker: &Principal, user: &str) -> Result<Principal, String> {
        let principal = self.names.principal(user, asker.established, names::Vouching::Ours)?;
        Ok(Principal { expires: asker.expires, backends: asker.backends.clone(), ..principal })
    }

    /// The login behind a principal.
    pub(crate) fn login_name<'a>(&'a self, principal: &'a Principal) -> &'a str {
        self.names.login_name(principal)
    }

    /// The login of a user of this machine.
    pub(crate) fn login_of(&self, uid: u32) -> Option<String> {
        if uid == self.uid { Some(self.names.login.clone()) } else { (self.names.of_uid)(uid) }
    }
}

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody who can connect: whether we live.
    Anyone,
    /// Everybody the listener talks to: documents, names of backends, tokens.
    Public,
    /// Who runs this gateway, and who watches it: how we fare.
    Operator,
    /// Who comes back from a login at another site: nobody yet, led here by that site.
    Arrival,
    /// Who may have jobs.
    Owner,
    /// Who brings Slurm's kind of credentials, for a cluster: the dialect says no itself, because its answers differ between none
    /// and bad ones.
    Slurm(Cluster),
    /// Who may look at experiments, or command them: the dialect says no itself.
    Autosubmit(Guard),
}

/// Which cluster of Slurm's a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// The one at `/slurm`.
    Main,
    /// One of those at `/cluster/NAME/slurm`, by its place among them.
    Further(usize),
}

/// Who asks, or why that one is not admitted; an extension of every request that is routed.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Result<Identity, Error>>);

impl Admission {
    /// The name for the log line.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().as_ref().map_or("-", |identity| &identity.principal.name)
    }

    /// Whether whoever makes a request with these extensions may; without [`gate`] nobody may.
    pub(crate) fn admits(extensions: &Extensions) -> Result<(), Error> {
        Self::identity(extensions).map(|_| ())
    }

    fn identity(extensions: &Extensions) -> Result<&Identity, Error> {
        match extensions.get::<Self>().map(|admission| admission.0.as_ref()) {
            Some(Ok(identity)) => Ok(identity),
            Some(Err(error)) => Err(Error::new(error.kind(), error.message().to_owned())),
            None => Err(Error::new(ErrorKind::Forbidden, "this route is not open to anybody")),
        }
    }

    /// Whether it is known who asks.
    pub(crate) fn is_known(&self) -> bool {
        self.0.as_ref().as_ref().is_ok_and(|identity| identity.principal.role != Role::Stranger)
    }
}

/// The gate before the routes of one audience. Clients that we do not talk to are turned away here; who is merely unknown
/// is told so by the handler (through [`Caller`]), because psik_api complains about broken JSON first.
pub(crate) async fn gate(
    State((app, audience)): State<(Arc<App>, Audience)>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    let (mut parts, body) = request.into_parts();
    let admitted = admit(&app, audience, &mut parts).await;
    if app.gatekeeper.policy.was_reloaded() {
        app.audit.note(Event::PolicyReloaded);
    }
    let admission = Admission(Arc::new(admitted?));
    parts.extensions.insert(admission.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    response.extensions_mut().insert(admission);
    Ok(response)
}

/// Says as whom a request is admitted to the routes of an audience. `Err`: we do not talk to this client at all, or it is
/// known and may not do this. The inner error is for the handler to tell.
async fn admit(app: &App, audience: Audience, parts: &mut Parts) -> Result<Result<Identity, Error>, Error> {
    let gate = &app.gatekeeper;
    let Some(peer) = parts.extensions.get::<Peer>().copied() else {
        return Err(Error::new(ErrorKind::Forbidden, "the connection has no known origin"));
    };
    let door = gate.door_of(parts);
    if audience == Audience::Anyone {
        return Ok(Ok(stranger(&peer)));
    }
    if gate.speaks_slurm_only() && !matches!(audience, Audience::Slurm(_)) {
        return Err(Error::new(ErrorKind::Forbidden, "this gateway speaks Slurm's dialect only"));
    }
    if gate.speaks_autosubmit_only() && !matches!(audience, Audience::Autosubmit(_)) {
        return Err(Error::new(ErrorKind::Forbidden, "this gateway speaks Autosubmit's dialect only"));
    }
    // Nobody vouches for the other end of a pipe, so in Slurm's dialect it must bring a token.
    if !matches!(audience, Audience::Slurm(_)) || peer != Peer::Unknown {
        identify::welcome(gate, &door, &peer, audience, parts)?;
    }
    if audience == Audience::Arrival {
        return Ok(Ok(stranger(&peer)));
    }
    let now = jiff::Timestamp::now().as_second();
    if let Audience::Slurm(cluster) = audience {
        return Ok(slurm_asker(gate, cluster, &door, &peer, parts, now).await);
    }
    if let Audience::Autosubmit(guard) = audience {
        return Ok(autosubmit::asker(gate, &door, &peer, parts, guard, now).await);
    }
    let mut standing = identify::identify(gate, &door, &peer, parts, Dialect::Psik, now).await;
    match &mut standing {
        Standing::Known(identity) => {
            Trail::of(&parts.extensions).is(&identity.principal);
            match decide::allow(gate, identity, parts, Dialect::Psik, now) {
                // what is for everybody is also for those who may do nothing else
                Err(error) if audience == Audience::Public && error.kind() == ErrorKind::Forbidden => {
                    standing = Standing::Nobody;
                }
                allowed => allowed?,
            }
        }
        Standing::Refused(_) => gate.rates.failure(&peer)?,
        Standing::Nobody => gate.rates.stranger(&peer)?,
    }
    let outcome = decide::belongs(audience, standing, &door, &peer, parts);
    // only psik_api's handlers say so themselves
    if audience == Audience::Owner { Ok(outcome) } else { outcome.map(Ok) }
}

/// The same for Slurm's dialect, which gets to know more about why.
async fn slurm_asker(
    gate: &Gatekeeper,
    cluster: Cluster,
    door: &Door,
    peer: &Peer,
    parts: &mut Parts,
    now: i64,
) -> Result<Identity, Error> {
    let asking = slurm::asking(gate, cluster, door, peer, parts, now).await;
    let (standing, outcome) = match asking {
        Asking::Nobody => {
            let limit = gate.rates.stranger(peer);
            (limit.map_or_else(slurm::Standing::exhausted, |()| slurm::Standing::Nobody), Ok(stranger(peer)))
        }
        Asking::Refused(why) => {
            let limit = gate.rates.failure(peer);
            (limit.map_or_else(slurm::Standing::exhausted, |()| slurm::Standing::Refused(why)), Ok(stranger(peer)))
        }
        Asking::Exhausted(error) => {
            let error = gate.rates.failure(peer).err().unwrap_or(error);
            (slurm::Standing::exhausted(error), Ok(stranger(peer)))
        }
        Asking::Away(why) => {
            let limit = gate.rates.stranger(peer);
            (limit.map_or_else(slurm::Standing::exhausted, |()| slurm::Standing::Away(why)), Ok(stranger(peer)))
        }
        Asking::Known(mut identity, mut asker) => {
            let trail = Trail::of(&parts.extensions);
            trail.is(identity.in_person());
            if identity.behind.is_some() {
                trail.acts_as(&identity.principal);
            }
            let allowed = decide::allow(gate, &mut identity, parts, Dialect::Slurm, now);
            let backends = &gate.of_cluster(cluster).backends;
            let allowed = allowed.and_then(|()| decide::may_use_all(&identity.principal, backends));
            asker.principal.backends.clone_from(&identity.principal.backends);
            match allowed {
                Ok(()) => (slurm::Standing::Known(asker), Ok(*identity)),
                Err(error) if error.kind() == ErrorKind::Exhausted => {
                    (slurm::Standing::exhausted(error), Ok(*identity))
                }
                Err(_) => (slurm::Standing::Forbidden, Ok(*identity)),
            }
        }
    };
    parts.extensions.insert(standing);
    outcome
}

/// Somebody of whom only the connection is known.
fn stranger(peer: &Peer) -> Identity {
    let client = client_of(peer);
    Identity::new(Principal::new(client.clone(), Established::Address, Role::Stranger), client)
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Ok(Admission::identity(&parts.extensions)?.clone())
    }
}

/// The principal that a handler works for. There is none without [`gate`]: a route that lacks it is closed, not open.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Principal);

impl Caller {
    /// Who asks, from a request that passed the gate.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Error> {
        Ok(Self(Admission::identity(&parts.extensions)?.principal.clone()))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Ok(Self::of(parts)?)
    }
}
