//! Whether controllers answer.

use std::time::Duration;

use crate::errno::Errno;
use crate::objects::ControllerPing;

/// What came of asking the controller at `place` of the configuration whether it is there.
pub(in crate::rpc) fn ping(place: usize, name: &str, took: Duration, refused: Option<Errno>) -> ControllerPing {
    let up = refused.is_none();
    ControllerPing {
        hostname: Some(name.to_owned()),
        responding: Some(up),
        latency: i64::try_from(took.as_micros()).ok(),
        primary: Some(place == 0),
        status: Some(refused.unwrap_or(Errno::NONE).text().to_owned()),
        pinged: Some(if up { "UP" } else { "DOWN" }.to_owned()),
        mode: Some(if place == 0 { "primary".to_owned() } else { format!("backup{place}") }),
    }
}
