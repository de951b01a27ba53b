//! Orders: sent at once, in the caller's own name, and never twice.

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::rpc::{Client, Credential, Error};

use super::view::RemoteView;

impl RemoteView {
    /// Gives an order. Whatever comes of it, the caller's next reads ask anew: one that failed may have been carried out.
    pub(super) fn order<T>(&self, order: impl FnOnce(&Client, &Credential) -> Result<T, Error>) -> Answer<T> {
        let outcome = self.remote.ask(&self.credential, |client| order(client, &self.credential));
        self.remote.ordered_by(&self.login);
        outcome.map_err(Fault::from)
    }

    /// Gives an order that changes the cluster itself. Whatever comes of it, everybody's next reads ask anew.
    pub(super) fn change<T>(&self, order: impl FnOnce(&Client, &Credential) -> Result<T, Error>) -> Answer<T> {
        let outcome = self.order(order);
        self.remote.changed();
        outcome
    }
}
