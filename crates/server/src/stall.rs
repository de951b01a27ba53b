//! A stream on which something must move.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Fails with `TimedOut` when no byte has moved for the given time, either way, while one was waited for. The first
/// byte has its own, shorter time.
///
/// Progress only notes the instant; the timer is moved when it fires, so a busy connection pays nothing for it.
#[derive(Debug)]
pub(crate) struct Stalling<S> {
    stream: S,
    patience: Duration,
    moved: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl<S> Stalling<S> {
    pub(crate) fn new(stream: S, first_byte: Duration, patience: Duration) -> Self {
        Self { stream, patience, moved: None, timer: Box::pin(tokio::time::sleep(first_byte)) }
    }

    /// Passes on what the stream did, unless it has been doing nothing for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, did: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if did.is_ready() {
            self.moved = Some(Instant::now());
            return did;
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            match self.moved.map(|moved| moved + self.patience) {
                Some(until) if until > Instant::now() => self.timer.as_mut().reset(until),
                _ => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let did = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watch(cx, did)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let did = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, did)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let did = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, did)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const FIRST: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_connection() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let began = Instant::now();
        let mut stream = Stalling::new(ours, FIRST, PATIENCE);
        let mut buf = [0; 8];
        assert_eq!(stream.read(&mut buf).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), FIRST, "nothing was ever sent");

        let (ours, _keep) = (tokio::io::duplex(64), theirs.shutdown().await);
        let (ours, mut theirs) = ours;
        let mut stream = Stalling::new(ours, FIRST, PATIENCE);
        theirs.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut buf).await.unwrap(), 3);
        let began = Instant::now();
        assert_eq!(stream.read(&mut buf).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_but_moving_connection_lives() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut stream = Stalling::new(ours, FIRST, PATIENCE);
        let sender = tokio::spawn(async move {
            for _ in 0..20 {
                theirs.write_all(b"x").await.unwrap();
                tokio::time::sleep(PATIENCE / 2).await;
            }
        });
        let mut buf = [0; 1];
        for _ in 0..20 {
            stream.read_exact(&mut buf).await.unwrap();
        }
        sender.abort();
    }
}
