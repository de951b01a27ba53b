//! Which process is this, and is that other one still alive.

use std::sync::OnceLock;

/// This process's identity: `pid:start:boot`, where start is in clock ticks since boot. Unlike a pid it is never reused.
pub(crate) fn identity() -> &'static str {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let pid = std::process::id();
        format!("{pid}:{}:{}", started(pid).unwrap_or(0), boot_id())
    })
}

/// Whether the process with this identity is alive on this machine.
pub(crate) fn alive(identity: &str) -> bool {
    let mut parts = identity.splitn(3, ':');
    let (Some(pid), Some(start), Some(boot)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let (Ok(pid), Ok(start)) = (pid.parse(), start.parse::<u64>()) else { return false };
    boot == boot_id() && started(pid) == Some(start)
}

/// The identity of the machine's current boot.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| "unknown".into(), |id| id.trim().to_owned())
    })
}

/// When the machine was started, unix seconds, to the second.
pub(crate) fn booted() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    // not known: it may have been now
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or_else(now)
}

/// A random number from the system. Not from the cryptographic library, whose generator takes tens of milliseconds to
/// start: what this is for (markers, jitter) has to be unlikely to repeat, not secret.
pub(crate) fn random() -> u32 {
    let mut bytes = [0; 4];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK) {
        Ok(4) => u32::from_ne_bytes(bytes),
        // Only early in a machine's boot.
        _ => std::process::id(),
    }
}

/// When a process started, in clock ticks since boot; `None` when there is no such process (or only its remains).
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold blanks and brackets; fields are counted from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (!matches!(fields.first(), Some(&"Z" | &"X"))).then(|| fields.get(19)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself_and_no_other() {
        assert!(alive(identity()));
        let other_start = identity().replacen(':', ":9", 1);
        let other_boot = format!("{}x", identity());
        for gone in [other_start.as_str(), other_boot.as_str(), "", "1", "x:y:z"] {
            assert!(!alive(gone), "{gone}");
        }
    }
}
