//! The accept loop: the same for every kind of socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::inherit::Inherited;
use crate::linger::Lingering;
use crate::listen::Entrance;
use crate::router::Routes;
use crate::stall::Stalling;
use crate::tls::{Credentials, Handshake, Presented, shake_hands};
use crate::{Door, Limits};

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
    /// A client of whom the kernel says nothing: the other end of a pipe, or of a pair of sockets, that we were started with.
    Unknown,
}

/// What all accept loops share.
pub(crate) struct Acceptor {
    routes: Routes,
    limits: Limits,
    connections: Arc<Semaphore>,
    http: auto::Builder<TokioExecutor>,
    drain: GracefulShutdown,
}

impl Acceptor {
    pub(crate) fn new(routes: Routes, limits: Limits) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        // a client may say that it has no more to say and still wait for the answer (pipes, `nc -N`, some proxies)
        http.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).half_close(true);
        http.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
        let connections = Arc::new(Semaphore::new(limits.connections));
        Self { routes, limits, connections, http, drain: GracefulShutdown::new() }
    }

    /// Accepts TCP connections until dropped. Handshakes that are under way then are given up.
    pub(crate) async fn tcp(&self, listener: TcpListener, entrance: Entrance) {
        let mut handshakes = JoinSet::new();
        loop {
            let permit = self.permit().await;
            while handshakes.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot switch off Nagle's delay");
                    }
                    let guest = Guest { door: Some(Arc::clone(&entrance.door)), ..Guest::of(Peer::Tcp(address)) };
                    match &entrance.tls {
                        None => self.spawn(stream, guest, permit),
                        Some(tls) => drop(handshakes.spawn(self.welcome(stream, Arc::clone(tls), guest, permit))),
                    }
                }
                Err(error) => pause_after(&error).await,
            }
        }
    }

    /// A conversation that begins with a TLS handshake, for which there is as much time as for a request's head.
    fn welcome(
        &self,
        stream: TcpStream,
        tls: Arc<Credentials>,
        mut guest: Guest,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (conversation, patience) = (self.conversation(), self.limits.header_timeout);
        async move {
            match tokio::time::timeout(patience, shake_hands(stream, &tls)).await {
                Ok(Some(Handshake { stream, presented })) => {
                    guest.presented = presented;
                    tokio::spawn(conversation.hold(stream, guest, permit));
                }
                Ok(None) => {}
                Err(_) => tracing::debug!(peer = ?guest.peer, "a TLS handshake was not over in time"),
            }
        }
    }

    /// Accepts connections of a Unix socket until dropped.
    pub(crate) async fn unix(&self, listener: UnixListener, entrance: Entrance) {
        loop {
            let permit = self.permit().await;
            match listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(credentials) => {
                        let peer = Peer::Unix { uid: credentials.uid() };
                        self.spawn(stream, Guest { door: Some(Arc::clone(&entrance.door)), ..Guest::of(peer) }, permit);
                    }
                    Err(error) => tracing::warn!(%error, "a client of the Unix socket has no credentials"),
                },
                Err(error) => pause_after(&error).await,
            }
        }
    }

    /// Talks with the client that this process was started for, until it has no more to say.
    pub(crate) async fn inherited(&self, client: Inherited) {
        let permit = self.permit().await;
        let guest = Guest::of(client.peer);
        self.conversation().hold(client.into_stream(), guest, permit).await;
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

    fn spawn<S>(&self, stream: S, guest: Guest, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(self.conversation().hold(stream, guest, permit));
    }

    fn conversation(&self) -> Conversation {
        Conversation {
            routes: self.routes.clone(),
            http: self.http.clone(),
            first_byte: self.limits.header_timeout,
            patience: self.limits.stall_timeout,
            drain: self.drain.watcher(),
        }
    }
}

/// Who has connected, and by which listener.
#[derive(Debug)]
struct Guest {
    peer: Peer,
    door: Option<Arc<Door>>,
    presented: Option<Presented>,
}

impl Guest {
    fn of(peer: Peer) -> Self {
        Self { peer, door: None, presented: None }
    }

    /// Says of a request who has sent it.
    fn introduce(&self, request: &mut Request<Body>) {
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        if let Some(door) = &self.door {
            extensions.insert(Arc::clone(door));
        }
        if let Some(presented) = &self.presented {
            extensions.insert(presented.now());
        }
    }
}

/// One connection, from its first byte of HTTP to its last.
struct Conversation {
    routes: Routes,
    http: auto::Builder<TokioExecutor>,
    first_byte: Duration,
    patience: Duration,
    drain: Watcher,
}

impl Conversation {
    async fn hold<S>(self, stream: S, guest: Guest, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(Stalling::new(stream, self.first_byte, self.patience));
        let (routes, peer) = (self.routes, guest.peer);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = Lingering::new(request).map(Body::new);
            guest.introduce(&mut request);
            routes.answer(request)
        });
        let connection = self.http.serve_connection(stream, service);
        if let Err(error) = self.drain.watch(connection).await {
            tracing::debug!(?peer, %error, "a connection ended early");
        }
        drop(permit);
    }
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
