//! What to do with a request's body that nobody wants.
//!
//! When a request is answered before its body was read (a wrong path, a missing right, a body that is too large), closing
//! the connection at once makes the kernel throw away the answer that is on its way: the client, still sending, sees a
//! broken connection instead of the reason. So the rest is read and dropped for a while.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Request;
use axum::http::header::EXPECT;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// So much is read and dropped,
const BYTES: usize = 256 << 20;
/// and for so long.
const TIME: Duration = Duration::from_secs(10);

/// A body whose unread rest is dropped politely.
#[derive(Debug)]
pub(crate) struct Lingering {
    body: Option<Incoming>,
    wanted: bool,
}

impl Lingering {
    pub(crate) fn new(request: Request<Incoming>) -> Request<Self> {
        // such a client sends nothing before it is told to, which reading does
        let waits = request.headers().contains_key(EXPECT);
        request.map(|body| Self { body: Some(body), wanted: !waits })
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.wanted = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| self.wanted && !body.is_end_stream()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(TIME, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut left = BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
