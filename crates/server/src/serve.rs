//! From open sockets to the last answer.

use std::future::Future;
use std::sync::Arc;

use jobgate_engine::Engine;
use jobgate_engine::audit::Event;
use jobgate_model::Error;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::accept::Acceptor;
use crate::app::{App, blocking};
use crate::inherit::Inherited;
use crate::router::Routes;
use crate::tls::keep_fresh;
use crate::{Settings, Sockets, autosubmit};

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
    let acceptor = Arc::new(Acceptor::new(Routes::new(&app), settings.limits.clone()));
    engine.attend()?;
    app.audit.note(Event::Started);

    let mut loops = JoinSet::new();
    let told = Arc::clone(&app);
    loops.spawn(keep_fresh(sockets.credentials(), move || told.audit.note(Event::CertificatesReloaded)));
    loops.spawn(reopen_when_told(Arc::clone(&app)));
    if let Some(autosubmit) = &app.autosubmit {
        loops.spawn(autosubmit::attend(Arc::clone(autosubmit)));
    }
    for (listener, entrance) in std::mem::take(&mut sockets.tcp) {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(cannot_listen)?;
        let acceptor = Arc::clone(&acceptor);
        loops.spawn(async move { acceptor.tcp(listener, entrance).await });
    }
    for (listener, entrance) in std::mem::take(&mut sockets.unix) {
        let listener = tokio::net::UnixListener::from_std(listener).map_err(cannot_listen)?;
        let acceptor = Arc::clone(&acceptor);
        loops.spawn(async move { acceptor.unix(listener, entrance).await });
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
    end_record(app).await;
    engine.close();
    Ok(())
}

/// Serves the one client that this process was started for (inetd mode), until it has no more to say or `shutdown` resolves.
/// What it has submitted has been handed over when this returns.
pub async fn serve_inherited(
    client: Inherited,
    engine: Arc<Engine>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let app = Arc::new(App::new(Arc::clone(&engine), &settings));
    let acceptor = Arc::new(Acceptor::new(Routes::new(&app), settings.limits.clone()));
    engine.attend()?;
    app.audit.note(Event::Started);
    let conversing = Arc::clone(&acceptor);
    let mut conversation = tokio::spawn(async move { conversing.inherited(client).await });
    tokio::select! {
        _ = &mut conversation => {}
        () = shutdown => {}
    }
    if let Some(acceptor) = Arc::into_inner(acceptor) {
        acceptor.drain().await;
    }
    app.launched().await;
    end_record(app).await;
    engine.close();
    Ok(())
}

/// Writes down that this server ends, and everything before it.
async fn end_record(app: Arc<App>) {
    let ended = blocking(move || {
        app.audit.note(Event::Stopped);
        app.audit.close();
    });
    if let Err(error) = ended.await {
        tracing::error!(error = error.chain(), "the end is not recorded");
    }
}

/// SIGHUP: what was moved away by name (logs) is left, and what is there now is used.
async fn reopen_when_told(app: Arc<App>) {
    let Ok(mut told) = signal(SignalKind::hangup()) else { return };
    while told.recv().await.is_some() {
        app.audit.reopen();
    }
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
