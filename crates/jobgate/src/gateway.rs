//! Telling a gateway on this machine that a job's directory is worth a look.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Sends the job's directory to the gateway that serves this state directory. `false`: none listens, so whoever asks has to
/// see to it. A gateway whose queue is full has heard enough to look.
pub(crate) fn tell(state_dir: &Path, base: &Path) -> bool {
    let Ok(socket) = UnixDatagram::unbound() else { return false };
    if socket.set_nonblocking(true).is_err() {
        return false;
    }
    match socket.send_to(base.as_os_str().as_bytes(), jobgate_engine::socket_path(state_dir)) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// Whether a gateway serves this state directory.
pub(crate) fn listens(state_dir: &Path) -> bool {
    UnixDatagram::unbound().is_ok_and(|socket| socket.connect(jobgate_engine::socket_path(state_dir)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_listens_or_somebody_does() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!tell(dir.path(), Path::new("/p/1.5")) && !listens(dir.path()));
        let gateway = UnixDatagram::bind(jobgate_engine::socket_path(dir.path())).unwrap();
        assert!(listens(dir.path()) && tell(dir.path(), Path::new("/p/1.5")));
        let mut buffer = [0; 64];
        let length = gateway.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"/p/1.5");
        drop(gateway);
        assert!(!tell(dir.path(), Path::new("/p/1.5")), "the socket file alone is no gateway");
    }
}
