//! What lies within a layer, cloned by counting.
//!
//! A layer of `axum::middleware::from_fn` clones what is within it for each request, and that clones what is within itself, down to
//! the handler. With this below each layer, what is further in is not cloned along.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::routing::Route;
use tower::{Layer, Service};

/// A route that clones share.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Route>);

impl Service<Request> for Shared {
    type Response = <Route as Service<Request>>::Response;
    type Error = Infallible;
    type Future = <Route as Service<Request>>::Future;

    /// Routes are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Route::clone(&self.0).call(request)
    }
}

/// Puts a layer around routes, and [`Shared`] between.
#[derive(Debug, Clone)]
pub(crate) struct Around<L>(pub(crate) L);

impl<L: Layer<Shared>> Layer<Route> for Around<L> {
    type Service = L::Service;

    fn layer(&self, route: Route) -> L::Service {
        self.0.layer(Shared(Arc::new(route)))
    }
}
