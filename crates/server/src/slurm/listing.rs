//! Listings of jobs: rendered once for each revision of the cluster, shared by everybody who may see the same.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jobgate_slurm::cluster::{Answer, Cluster, JobsWanted, Listed, Stamp};
use jobgate_slurm::table::{Kind, Writer};
use jobgate_slurm::version::Version;

/// A part of a rendering is complete when it has so many bytes.
const PART: usize = 1 << 20;
/// Room for a part, and for the job that completes it.
const ROOM: usize = PART + (16 << 10);

/// Who sees the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audience {
    /// The class of those to whom a real cluster shows the same.
    pub(super) class: Option<String>,
    /// Only this user's jobs are shown.
    pub(super) user: Option<String>,
}

impl Audience {
    /// A name that is nobody else's.
    pub(super) fn name(&self) -> &str {
        self.class.as_deref().or(self.user.as_deref()).unwrap_or_default()
    }
}

/// Which rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Which {
    version: Version,
    audience: Audience,
}

/// A rendered list of jobs: `[{...},{...}]` in parts.
#[derive(Debug)]
pub(super) struct Rendered {
    /// What it shows.
    pub(super) stamp: Stamp,
    /// How many jobs.
    pub(super) jobs: usize,
    /// The list, in parts.
    pub(super) parts: Vec<Bytes>,
    /// A whole answer around it, compressed; made when it is asked for.
    compressed: Mutex<Option<(String, Bytes)>>,
}

impl Rendered {
    /// The memory of its parts, to be written into again: of those that nobody is being sent any more.
    fn into_rooms(self) -> Vec<Vec<u8>> {
        self.parts.into_iter().filter(Bytes::is_unique).map(Vec::from).collect()
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// The list with what comes before and after it, compressed. `key` says what those are: they are compressed once for each.
    pub(super) fn compressed(&self, key: &str, before: &[u8], after: &[u8]) -> Bytes {
        let mut made = self.compressed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = made.as_ref().filter(|(of, _)| of == key) {
            return bytes.clone();
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(self.bytes() / 16), Compression::fast());
        let parts = std::iter::once(before).chain(self.parts.iter().map(AsRef::as_ref)).chain([after]);
        for part in parts {
            encoder.write_all(part).expect("invariant: memory takes everything");
        }
        let bytes = Bytes::from(encoder.finish().expect("invariant: memory takes everything"));
        *made = Some((key.to_owned(), bytes.clone()));
        bytes
    }
}

/// The newest renderings.
#[derive(Debug)]
pub(super) struct Listings {
    most: usize,
    /// The last used one is the last.
    kept: Mutex<Vec<(Which, Arc<Rendered>)>>,
    /// Only one is rendered at a time: the others wait for it, and find it done.
    rendering: Mutex<()>,
}

impl Listings {
    /// Keeps at most so many bytes, and always the last one.
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Mutex::default(), rendering: Mutex::default() }
    }

    /// The list of all jobs as it is now.
    pub(super) fn jobs(&self, cluster: &dyn Cluster, version: Version, audience: &Audience) -> Answer<Arc<Rendered>> {
        let which = Which { version, audience: audience.clone() };
        if let Some(found) = self.current(&which, cluster.stamp(Listed::Jobs)?) {
            return Ok(found);
        }
        let _alone = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the jobs are read: what changes while they are makes the rendering look older than it is, not newer.
        let stamp = cluster.stamp(Listed::Jobs)?;
        if let Some(found) = self.current(&which, stamp) {
            return Ok(found);
        }
        // One that is gone in the meantime leaves its memory: it is not given back and asked for again at each change.
        let rooms = self.forget(&which).and_then(Arc::into_inner).map(Rendered::into_rooms);
        let rendered = Arc::new(render(cluster, version, audience.user.as_deref(), stamp, rooms.unwrap_or_default())?);
        self.keep(which, &rendered);
        Ok(rendered)
    }

    fn current(&self, which: &Which, stamp: Stamp) -> Option<Arc<Rendered>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(of, rendered)| of == which && rendered.stamp == stamp)?;
        let entry = kept.remove(at);
        let found = Arc::clone(&entry.1);
        kept.push(entry);
        Some(found)
    }

    /// Takes out an old rendering before a new one is made.
    fn forget(&self, which: &Which) -> Option<Arc<Rendered>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(of, _)| of == which)?;
        Some(kept.remove(at).1)
    }

    fn keep(&self, which: Which, rendered: &Arc<Rendered>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((which, Arc::clone(rendered)));
        while kept.len() > 1 && kept.iter().map(|(_, one)| one.bytes()).sum::<usize>() > self.most {
            kept.remove(0);
        }
    }
}

/// Renders the list, into `rooms` as far as there are any.
fn render(
    cluster: &dyn Cluster,
    version: Version,
    user: Option<&str>,
    stamp: Stamp,
    mut rooms: Vec<Vec<u8>>,
) -> Answer<Rendered> {
    let mut out = Writer::new(version);
    let mut room = || rooms.pop().unwrap_or_else(|| Vec::with_capacity(ROOM));
    out.take(room());
    let mut parts = Vec::new();
    let mut jobs = 0;
    out.raw("[");
    let wanted = JobsWanted { user: user.map(str::to_owned), ..JobsWanted::default() };
    cluster.jobs(&wanted, &mut |job| {
        if jobs > 0 {
            out.raw(",");
        }
        job.write(&mut out);
        jobs += 1;
        if out.len() >= PART {
            parts.push(Bytes::from(out.take(room())));
        }
    })?;
    out.raw("]");
    parts.push(Bytes::from(out.into_bytes()));
    Ok(Rendered { stamp, jobs, parts, compressed: Mutex::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_written_into_again_unless_it_is_being_sent() {
        let parts: Vec<Bytes> = (0..3u8).map(|part| Bytes::from(Vec::from([part; 7]))).collect();
        let places: Vec<*const u8> = parts.iter().map(|part| part.as_ptr()).collect();
        let sent = parts[1].clone();
        let rendered = Rendered { stamp: Stamp::default(), jobs: 3, parts, compressed: Mutex::default() };
        let rooms = rendered.into_rooms();
        let again: Vec<*const u8> = rooms.iter().map(Vec::as_ptr).collect();
        assert_eq!(again, [places[0], places[2]]);
        assert_eq!(sent, [1; 7].as_slice());
    }
}
