//! Listings of jobs: rendered once for each revision of the cluster, shared by everybody who may see the same. What has not
//! changed since the revision before is not rendered again.

mod blocks;
mod gzip;
mod packed;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jobgate_slurm::cluster::{Answer, Cluster, JobsWanted, Listed, Stamp};
use jobgate_slurm::version::Version;

use blocks::{Block, Blocks};
use gzip::{Piece, stream};

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

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Part {
    Text(Bytes),
    /// A block but for so many bytes of its start. It is unpacked when it is sent, so that those who read slowly take no memory.
    Block(Arc<Block>, usize),
}

impl From<Bytes> for Part {
    fn from(text: Bytes) -> Self {
        Self::Text(text)
    }
}

impl Part {
    /// How long its text is, in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Block(block, without) => block.len() - without,
        }
    }

    /// The text.
    pub(super) fn text(self) -> Bytes {
        match self {
            Self::Text(text) => text,
            Self::Block(block, without) => block.text().slice(without..),
        }
    }
}

/// A rendered list of jobs.
#[derive(Debug)]
pub(super) struct Rendered {
    /// What it shows.
    pub(super) stamp: Stamp,
    /// How many jobs.
    pub(super) jobs: usize,
    /// Their text; renderings share it.
    blocks: Vec<Arc<Block>>,
    /// A whole answer around it, compressed; put together when it is asked for.
    compressed: Mutex<Option<(String, Bytes)>>,
    /// What it takes, in bytes. (Nobody waits for the compressor to learn that.)
    kept: AtomicUsize,
}

impl Rendered {
    /// The list, in parts: `[{...},{...}]`.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        // there is nothing before the first comma
        let part = |(at, block): (usize, &Arc<Block>)| Part::Block(Arc::clone(block), usize::from(at == 0));
        let parts = self.blocks.iter().enumerate().map(part);
        std::iter::once(Bytes::from_static(b"[").into()).chain(parts).chain([Bytes::from_static(b"]").into()])
    }

    fn new(stamp: Stamp, jobs: usize, blocks: Vec<Arc<Block>>) -> Self {
        let kept = blocks.iter().map(|block| block.kept()).sum::<usize>().into();
        Self { stamp, jobs, blocks, compressed: Mutex::default(), kept }
    }

    /// The list with what comes before and after it, compressed. `key` says what those are: they are compressed once for each.
    pub(super) fn compressed(&self, key: &str, before: &[u8], after: &[u8]) -> Bytes {
        let mut made = self.compressed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = made.as_ref().filter(|(of, _)| of == key) {
            return bytes.clone();
        }
        // what comes before the list goes with its first block, which lacks its comma
        let first = self.blocks.first().map(|block| block.text().slice(1..)).unwrap_or_default();
        let (head, tail) = ([before, &b"["[..], &first].concat(), [&b"]"[..], after].concat());
        let (head, tail) = (Piece::of(b"", &head), Piece::of(b"", &tail));
        let rest: Vec<Arc<Piece>> = self.blocks.windows(2).map(|pair| pair[1].piece_behind(&pair[0])).collect();
        let bytes = stream(std::iter::once(&head).chain(rest.iter().map(AsRef::as_ref)).chain([&tail]));
        let compressed = bytes.len() + rest.iter().map(|piece| piece.len()).sum::<usize>();
        let plain = self.blocks.iter().map(|block| block.kept()).sum::<usize>();
        self.kept.store(plain + compressed, Ordering::Relaxed);
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
        let earlier = self.earlier(&which);
        let rendered = Arc::new(render(cluster, version, audience.user.as_deref(), stamp, earlier)?);
        self.keep(which, &rendered);
        Ok(rendered)
    }

    fn current(&self, which: &Which, stamp: Stamp) -> Option<Arc<Rendered>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(of, rendered)| of == which && rendered.stamp == stamp)?;
        let entry = kept.remove(at);
        let found = Arc::clone(&entry.1);
        kept.push(entry);
        // one may have been compressed since
        self.bound(&mut kept);
        Some(found)
    }

    /// The blocks of the rendering before, which is forgotten; none if nothing of them can be known again.
    fn earlier(&self, which: &Which) -> Vec<Arc<Block>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = kept.iter().position(|(of, _)| of == which) else { return Vec::new() };
        let rendered = kept.remove(at).1;
        drop(kept);
        let mut blocks = rendered.blocks.clone();
        if !blocks.iter().any(|block| block.is_lasting()) {
            blocks.clear();
        }
        blocks
    }

    fn keep(&self, which: Which, rendered: &Arc<Rendered>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((which, Arc::clone(rendered)));
        self.bound(&mut kept);
    }

    fn bound(&self, kept: &mut Vec<(Which, Arc<Rendered>)>) {
        let all = |kept: &[(Which, Arc<Rendered>)]| -> usize {
            kept.iter().map(|(_, one)| one.kept.load(Ordering::Relaxed)).sum()
        };
        while kept.len() > 1 && all(kept) > self.most {
            kept.remove(0);
        }
    }
}

/// Renders the list; what is as in `earlier` is taken from there.
fn render(
    cluster: &dyn Cluster,
    version: Version,
    user: Option<&str>,
    stamp: Stamp,
    earlier: Vec<Arc<Block>>,
) -> Answer<Rendered> {
    let mut blocks = Blocks::new(version, earlier);
    let mut jobs = 0;
    let wanted = JobsWanted { user: user.map(str::to_owned), ..JobsWanted::default() };
    cluster.offer_jobs(&wanted, &mut |revision, make| {
        blocks.push(revision, make);
        jobs += 1;
    })?;
    Ok(Rendered::new(stamp, jobs, blocks.finish()))
}

#[cfg(test)]
mod tests;
