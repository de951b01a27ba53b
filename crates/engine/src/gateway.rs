//! The gateway's ear: a datagram socket on which runners of this machine say that a job's directory is worth a look.
//!
//! A datagram is the path of a job's directory and nothing else: what happened is read from the files. So a lost one costs
//! time (the next look finds it), never a fact.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where a gateway with this state directory listens.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("gateway.sock")
}

/// Listens on the gateway's socket. `None`: another gateway does already, or the path is too long for a socket; then
/// looking at the files must do.
pub(crate) fn listen(state_dir: &Path) -> Option<UnixDatagram> {
    let path = socket_path(state_dir);
    if let Ok(probe) = UnixDatagram::unbound()
        && probe.connect(&path).is_ok()
    {
        tracing::warn!(
            "another gateway uses this state directory; both work, this one notices runners' news a little later"
        );
        return None;
    }
    drop(std::fs::remove_file(&path));
    match UnixDatagram::bind(&path) {
        Ok(socket) => {
            // A runner that is told of a full queue goes on; it never waits for us.
            drop(socket.set_read_timeout(Some(Duration::from_millis(500))));
            Some(socket)
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot listen for runners; their news are noticed a little later");
            None
        }
    }
}

/// Receives one path, or `None` when nothing came for a while.
pub(crate) fn receive(socket: &UnixDatagram, buffer: &mut [u8]) -> Option<PathBuf> {
    let length = socket.recv(buffer).ok()?;
    let path = PathBuf::from(std::ffi::OsString::from_vec(buffer[..length].to_vec()));
    path.is_absolute().then_some(path)
}

/// Wakes those who wait for something to happen to a job.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<u64>,
    condition: Condvar,
}

impl Bell {
    /// Something happened.
    pub(crate) fn ring_all(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.condition.notify_all();
    }

    /// Waits until something happens, at most so long.
    pub(crate) fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.condition.wait_timeout(rung, at_most));
    }
}
