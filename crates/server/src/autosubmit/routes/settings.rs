//! What users prefer.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_autosubmit::databases::preferences::Preference;
use jobgate_autosubmit::texts::zoned_stamp;

use super::login::user_of;
use crate::app::blocking;
use crate::auth::Identity;
use crate::autosubmit::AutosubmitApp;
use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::body::Fields;
use crate::autosubmit::call::Call;
use crate::autosubmit::error::{self, Failure};

/// A name is not longer.
const LONGEST: usize = 255;

/// `GET /v4/user-settings/preferred-username`
pub(in crate::autosubmit) async fn show_name(State(shared): State<AutosubmitApp>, identity: Identity) -> Response {
    let user = user_of(&identity).unwrap_or_default().to_owned();
    done(move || shown(shared.autosubmit.site.store().preference(&user)?.as_ref())).await
}

/// `POST /v4/user-settings/preferred-username`
pub(in crate::autosubmit) async fn choose_name(
    State(shared): State<AutosubmitApp>,
    call: Call,
    identity: Identity,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let user = user_of(&identity).unwrap_or_default().to_owned();
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let name = fields.some_text("preferred_username", LONGEST);
        fields.done()?;
        let now = zoned_stamp(call.moment.now(), call.moment.zone).unwrap_or_default();
        let store = shared.autosubmit.site.store();
        store.set_preference(&user, &name, &now)?;
        shown(store.preference(&user)?.as_ref())
    })
    .await
}

async fn done(work: impl FnOnce() -> Answer + Send + 'static) -> Response {
    match blocking(work).await {
        Ok(answer) => answer.into_response(),
        Err(error) => error::render(&error),
    }
}

fn shown(preference: Option<&Preference>) -> Answer {
    match preference {
        Some(preference) => json(preference),
        None => Err(Failure::new(StatusCode::BAD_REQUEST, "Preferred username not found for this user")),
    }
}
