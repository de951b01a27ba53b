//! Bodies that are read into memory whole, and how much all of them may take together.
//!
//! Each has its own limit, but whoever may open many requests at once may send many bodies, and stop before their ends. So what is
//! more of a body than a little is taken from a store that is the same for all of them, as it arrives. It goes back when the request
//! is done.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// So much of a body is free, in bytes: what people submit is smaller.
pub(crate) const FREE: usize = 64 << 10;
/// What is more is taken in steps of so many bytes.
const STEP: usize = 64 << 10;
/// Whoever finds no room is told to come again in so many seconds.
pub(crate) const AGAIN: Duration = Duration::from_secs(5);

/// The store of what bodies may take.
#[derive(Debug)]
pub(crate) struct Bodies {
    steps: Arc<Semaphore>,
    /// Time to send a whole body.
    patience: Duration,
}

/// A body, and its part of the store.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) bytes: Bytes,
    /// To be kept for as long as anything is that was made of the body.
    pub(crate) room: Room,
}

/// A part of the store.
#[derive(Debug, Default)]
pub(crate) struct Room(#[expect(dead_code, reason = "it is there to be dropped")] Option<OwnedSemaphorePermit>);

/// Why a body is not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is larger than it may be.
    TooLarge,
    /// It did not arrive in time.
    Late,
    /// There was no room for it in time.
    NoRoom,
    /// It did not arrive whole.
    Broken(axum::Error),
}

impl Bodies {
    /// A store of so many bytes; each body may take so long.
    pub(crate) fn new(bytes: usize, patience: Duration) -> Self {
        let steps = bytes.div_ceil(STEP).min(Semaphore::MAX_PERMITS);
        Self { steps: Arc::new(Semaphore::new(steps)), patience }
    }

    /// Reads a body of at most `limit` bytes. While it waits for room nothing more of it is read, so that many that have come half
    /// wait for each other no longer than for their clients.
    pub(crate) async fn collect(&self, mut body: Body, limit: usize) -> Result<Collected, Refused> {
        let deadline = Instant::now() + self.patience;
        if body.size_hint().lower() > limit as u64 {
            return Err(Refused::TooLarge); // it says so itself
        }
        let mut whole = Parts::None;
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| Refused::Late)? {
            let Ok(data) = frame.map_err(Refused::Broken)?.into_data() else { continue };
            let length = whole.len() + data.len();
            if length > limit {
                return Err(Refused::TooLarge);
            }
            let needed = length.saturating_sub(FREE).div_ceil(STEP);
            let more = needed - room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits).min(needed);
            if more > 0 {
                let more = u32::try_from(more).map_err(|_| Refused::TooLarge)?;
                let taken = timeout_at(deadline, Arc::clone(&self.steps).acquire_many_owned(more)).await;
                let Ok(Ok(taken)) = taken else { return Err(Refused::NoRoom) };
                match &mut room {
                    Some(room) => room.merge(taken),
                    None => room = Some(taken),
                }
            }
            whole = whole.with(data);
        }
        Ok(Collected { bytes: whole.into_bytes(), room: Room(room) })
    }
}

/// What has come of a body. One that comes in one piece is not copied.
enum Parts {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Parts {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn with(self, more: Bytes) -> Self {
        match self {
            Self::None => Self::One(more),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + more.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&more);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&more);
                Self::Many(all)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::{self, StreamExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A body that comes in pieces of 16 KiB, and then no more but for its end, if it has one.
    fn body(length: usize, ends: bool) -> Body {
        let pieces = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 << 10]))).take(length >> 14);
        if ends { Body::from_stream(pieces) } else { Body::from_stream(pieces.chain(stream::pending())) }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_half_keeps_others_out_for_a_while_only() {
        let bodies = Arc::new(Bodies::new(256 << 10, PATIENCE));
        let waiting = |length| {
            let bodies = Arc::clone(&bodies);
            tokio::spawn(async move { bodies.collect(body(length, false), 1 << 20).await })
        };
        // two of them share the store and want more than it has: none waits for ever
        let (one, two) = (waiting(272 << 10), waiting(272 << 10));
        tokio::time::sleep(PATIENCE / 2).await;
        assert_eq!(bodies.steps.available_permits(), 0);
        // what is small needs nothing of it
        let small = bodies.collect(body(FREE, true), 1 << 20).await.unwrap();
        assert_eq!(small.bytes.len(), FREE);
        let began = Instant::now();
        let third = bodies.collect(body(FREE + STEP, true), 1 << 20).await.unwrap();
        assert_eq!(
            (third.bytes.len(), began.elapsed().as_secs()),
            (FREE + STEP, 30),
            "after the others were sent away"
        );
        for refused in [one.await.unwrap(), two.await.unwrap()] {
            assert!(matches!(refused, Err(Refused::Late | Refused::NoRoom)), "{refused:?}");
        }
        assert_eq!(bodies.steps.available_permits(), 3);
        let all = bodies.collect(body(272 << 10, true), 1 << 20);
        assert!(matches!(all.await, Err(Refused::NoRoom)), "the third is still there");
        drop((small, third));
        assert_eq!(bodies.steps.available_permits(), 4);
        bodies.collect(body(272 << 10, true), 1 << 20).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn limits() {
        let bodies = Bodies::new(1 << 20, PATIENCE);
        let collect = async |body, limit| match bodies.collect(body, limit).await {
            Ok(Collected { bytes, .. }) => Ok(bytes.len()),
            Err(refused) => Err(format!("{refused:?}")),
        };
        assert_eq!(collect(Body::empty(), 0).await, Ok(0));
        assert_eq!(collect(Body::from("abc"), 3).await, Ok(3));
        assert_eq!(collect(Body::from("abcd"), 3).await, Err("TooLarge".into()));
        assert_eq!(collect(body(32 << 10, true), 32 << 10).await, Ok(32 << 10));
        assert_eq!(collect(body(32 << 10, true), (32 << 10) - 1).await, Err("TooLarge".into()));
        assert_eq!(collect(body(32 << 10, false), 1 << 20).await, Err("Late".into()));
        let broken = stream::iter([Ok(Bytes::from_static(b"a")), Err(std::io::Error::other("gone"))]);
        assert!(collect(Body::from_stream(broken), 9).await.unwrap_err().starts_with("Broken"));
    }
}
