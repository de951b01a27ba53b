//! From open sockets to the last answer.

use std::future::Future;
use std::sync::Arc;

use jobgate_engine::Engine;
use jobgate_model::Error;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::accept::Acceptor;
use crate::app::App;
use crate::{Settings, Sockets, router};

/// Serves until `shutdown` resolves, then lets the requests under way end (at most [`crate::Limits::drain`]).
///
/// Starts the engine's background work and closes the engine at the end. Tells systemd when requests are served and when
/// they no longer are. Must be called on a multi-thread runtime.
pub async fn serve(
    mut sockets: Sockets,
    engine: Arc<Engine>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let cannot_listen = |error| Error::internal("cannot listen on the opened sockets", error);
    let app = Arc::new(App::new(Arc::clone(&engine), &settings));
    let acceptor = Arc::new(Acceptor::new(router::router(&app), settings.limits.clone()));
    engine.attend()?;

    let mut loops = JoinSet::new();
    for listener in std::mem::take(&mut sockets.tcp) {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(cannot_listen)?;
        let acceptor = Arc::clone(&acceptor);
        loops.spawn(async move { acceptor.tcp(listener).await });
    }
    for listener in std::mem::take(&mut sockets.unix) {
        let listener = tokio::net::UnixListener::from_std(listener).map_err(cannot_listen)?;
        let acceptor = Arc::clone(&acceptor);
        loops.spawn(async move { acceptor.unix(listener).await });
    }
    for address in sockets.addresses() {
        tracing::info!(%address, "listening");
    }
    tell_systemd(NotifyState::Ready);

    shutdown.await;
    tracing::info!("stopping");
    tell_systemd(NotifyState::Stopping);
    loops.shutdown().await;
    drop(sockets);
    if let Some(acceptor) = Arc::into_inner(acceptor) {
        acceptor.drain().await;
    }
    engine.close();
    Ok(())
}

/// Resolves when the process is asked to end: SIGTERM or SIGINT.
pub async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("cannot handle signals; the process ends at once when it is asked to");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}
