//! The accept loop: the same for every kind of socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::Limits;
use crate::linger::Lingering;
use crate::stall::Stalling;

/// Who is at the other end of a connection; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client of a Unix socket, with the user id that the kernel vouches for.
    Unix {
        /// Its effective user id.
        uid: u32,
    },
}

/// What all accept loops share.
pub(crate) struct Acceptor {
    router: Router,
    limits: Limits,
    connections: Arc<Semaphore>,
    http: auto::Builder<TokioExecutor>,
    drain: GracefulShutdown,
}

impl Acceptor {
    pub(crate) fn new(router: Router, limits: Limits) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
        http.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
        let connections = Arc::new(Semaphore::new(limits.connections));
        Self { router, limits, connections, http, drain: GracefulShutdown::new() }
    }

    /// Accepts TCP connections until dropped.
    pub(crate) async fn tcp(&self, listener: TcpListener) {
        loop {
            let permit = self.permit().await;
            match listener.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot switch off Nagle's delay");
                    }
                    self.spawn(stream, Peer::Tcp(address), permit);
                }
                Err(error) => pause_after(&error).await,
            }
        }
    }

    /// Accepts connections of a Unix socket until dropped.
    pub(crate) async fn unix(&self, listener: UnixListener) {
        loop {
            let permit = self.permit().await;
            match listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(credentials) => self.spawn(stream, Peer::Unix { uid: credentials.uid() }, permit),
                    Err(error) => tracing::warn!(%error, "a client of the Unix socket has no credentials"),
                },
                Err(error) => pause_after(&error).await,
            }
        }
    }

    /// Ends kept-alive connections and waits for the requests under way.
    pub(crate) async fn drain(self) {
        let patience = self.limits.drain;
        if tokio::time::timeout(patience, self.drain.shutdown()).await.is_err() {
            tracing::warn!(seconds = patience.as_secs(), "requests were still under way at the end");
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.connections).acquire_owned().await.expect("invariant: the semaphore is never closed")
    }

    fn spawn<S>(&self, stream: S, peer: Peer, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = Stalling::new(stream, self.limits.header_timeout, self.limits.stall_timeout);
        tokio::spawn(converse(
            TokioIo::new(stream),
            peer,
            self.router.clone(),
            self.http.clone(),
            self.drain.watcher(),
            permit,
        ));
    }
}

/// One connection, from its first byte to its last.
async fn converse<S>(
    stream: TokioIo<Stalling<S>>,
    peer: Peer,
    router: Router,
    http: auto::Builder<TokioExecutor>,
    drain: Watcher,
    permit: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = Lingering::new(request).map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let connection = http.serve_connection(stream, service);
    if let Err(error) = drain.watch(connection).await {
        tracing::debug!(?peer, %error, "a connection ended early");
    }
    drop(permit);
}

/// Errors of `accept` belong to one client (it went away) or to the process (no descriptors left): after the latter,
/// trying again at once would only spin.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
