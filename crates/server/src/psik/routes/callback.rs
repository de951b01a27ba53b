//! `POST /jobs/callback`: somebody reports a transition of a job.

use aws_lc_rs::hmac;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jobgate_engine::{Forwarded, Need};
use jobgate_model::{Error, ErrorKind, Evidence, JobId};

use super::json;
use crate::psik::body::Json;
use crate::psik::convert::parse_callback;
use crate::psik::error::Fault;
use crate::psik::request::{Address, QueryValues, parse_jobid};
use crate::psik::{Dialect, Psik};

const SIGNATURE: &str = "x-hub-signature-256";

/// Records the transition and forwards it to the job's own callback. The answer is `"ERROR"` when its receiver did not
/// take it at the first attempt; it will be tried again.
pub(crate) async fn reach_job(State(psik): State<Psik>, request: Json) -> Result<Response, Fault> {
    let callback = request.parse(|value| parse_callback(value, psik.dialect))?;
    let jobid = match psik.dialect {
        Dialect::V1 => parse_jobid(&callback.jobid)?,
        Dialect::V2 => JobId::parse(&callback.jobid)?,
    };
    let address = Address::new(&psik, jobid, &QueryValues::of(&request.parts.uri))?;
    let Json { principal, parts, bytes, .. } = request;
    let recorded = psik.app.ask(move |engine| {
        let job = address.find(engine, &principal, Need::Write)?;
        if let Some(secret) = engine.spec(&principal, job.key)?.client_secret {
            verify(&parts.headers, &bytes, &secret)?;
        }
        let info = callback.info.map(|number| number.to_string()).unwrap_or_default();
        let (ndx, state) = (callback.jobndx, callback.state);
        let seq = engine.reached(&principal, job.key, ndx, state, &info, Evidence::Callback)?;
        Ok((job, seq))
    });
    let (job, seq) = recorded.await?;

    // its own task: it must not end halfway because the client went away
    let engine = std::sync::Arc::clone(&psik.app.engine);
    let forwarded = tokio::spawn(async move { engine.forward(job.key, seq).await }).await;
    Ok(json(&match forwarded {
        Ok(Ok(Forwarded::Ok)) => "OK",
        Ok(Ok(Forwarded::Failed)) => "ERROR",
        Ok(Err(error)) => {
            tracing::error!(jobid = %job.jobid, error = error.chain(), "cannot forward a callback");
            "ERROR"
        }
        Err(error) => {
            tracing::error!(jobid = %job.jobid, %error, "forwarding a callback failed");
            "ERROR"
        }
    }))
}

/// Verifies GitHub's scheme, `sha256=<HMAC of the exact body in hexadecimal>`, in constant time.
fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), Error> {
    let forbidden = |text: &'static str| Error::new(ErrorKind::Forbidden, text);
    let signature = headers.get(SIGNATURE).ok_or_else(|| forbidden("x-hub-signature-256 header is missing!"))?;
    let tag = signature.to_str().ok().and_then(|text| text.trim().strip_prefix("sha256=")).and_then(unhex);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    match tag {
        Some(tag) if hmac::verify(&key, body, &tag).is_ok() => Ok(()),
        _ => Err(forbidden("x-hub-signature-256 does not match the body")),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_cover_the_exact_body() {
        let check = |value: Option<&str>, body: &str| {
            let headers = value.map(|v| (axum::http::HeaderName::from_static(SIGNATURE), v.parse().unwrap()));
            let headers: HeaderMap = headers.into_iter().collect();
            verify(&headers, body.as_bytes(), "It's a Secret to Everybody").map_err(|error| error.message().to_owned())
        };
        // GitHub's own test vector
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(check(Some(good), "Hello, World!"), Ok(()));
        assert_eq!(check(Some(&good.to_uppercase().replace("SHA", "sha")), "Hello, World!"), Ok(()));
        assert_eq!(check(None, "Hello, World!").unwrap_err(), "x-hub-signature-256 header is missing!");
        for (value, body) in [
            (good, "Hello, World"),
            ("sha256=bad", "Hello, World!"),
            ("sha256=", "Hello, World!"),
            (&good[7..], "Hello, World!"),
        ] {
            assert_eq!(check(Some(value), body).unwrap_err(), "x-hub-signature-256 does not match the body", "{value}");
        }
    }
}
