//! A rendering in blocks, and how a new one takes over what has not changed.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use jobgate_slurm::cluster::Revision;
use jobgate_slurm::objects::Job;
use jobgate_slurm::table::{Kind as _, Writer};
use jobgate_slurm::version::Version;

use super::gzip::Piece;
use super::packed::Packed;

/// A block is complete when it has so many bytes.
pub(super) const FULL: usize = 64 << 10;
/// One of fewer bytes is not left between others: what is next to it comes in.
pub(super) const LEAST: usize = FULL / 2;
/// One of more is divided.
pub(super) const MOST: usize = 2 * FULL;

/// A block is compressed with so much of the one before in mind, which is more than a job: jobs are much alike.
const BEFORE: usize = 8 << 10;

/// Of an earlier rendering, what is so many jobs behind the one that comes is let go of.
const BEHIND: usize = 1000;

/// Consecutive jobs of a rendering.
#[derive(Debug)]
pub(in crate::slurm) struct Block {
    /// The jobs, each behind a comma.
    packed: Packed,
    jobs: Vec<Shown>,
    /// The text, compressed behind this block; made when it is asked for.
    piece: Mutex<Option<(Weak<Block>, Arc<Piece>)>>,
}

/// A job in a block.
#[derive(Debug, Clone, Copy)]
struct Shown {
    revision: Option<Revision>,
    /// Where its text ends in the block's.
    end: u32,
}

impl Block {
    fn new(text: &[u8], jobs: &[Shown], room: &mut Vec<u8>) -> Arc<Self> {
        Arc::new(Self { packed: Packed::of(text, room), jobs: jobs.to_vec(), piece: Mutex::default() })
    }

    /// The jobs, each behind a comma.
    pub(super) fn text(&self) -> Bytes {
        self.packed.text()
    }

    /// How long their text is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.packed.len()
    }

    /// What it takes, in bytes, but for what is compressed.
    pub(super) fn kept(&self) -> usize {
        self.packed.kept() + size_of_val(&*self.jobs)
    }

    /// The text, compressed, as it is behind this block.
    pub(super) fn piece_behind(&self, before: &Arc<Self>) -> Arc<Piece> {
        let mut piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = piece.as_ref().filter(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(before))) {
            return Arc::clone(made);
        }
        // what a rendering begins with is not all of its first block
        let known = before.text();
        let from = known.len().saturating_sub(BEFORE);
        let known = if from > 0 { &known[from..] } else { &[] };
        let made = Arc::new(Piece::of(known, &self.text()));
        *piece = Some((Arc::downgrade(before), Arc::clone(&made)));
        made
    }

    /// Where the text of these jobs is.
    fn range(&self, jobs: &Range<usize>) -> Range<usize> {
        let end = |of: usize| of.checked_sub(1).map_or(0, |last| self.jobs[last].end as usize);
        end(jobs.start)..end(jobs.end)
    }

    /// By what its jobs are known again.
    pub(super) fn revisions(&self) -> impl Iterator<Item = Option<Revision>> {
        self.jobs.iter().map(|job| job.revision)
    }

    /// Whether a job of it can be known again.
    pub(super) fn is_lasting(&self) -> bool {
        self.revisions().any(|revision| revision.is_some())
    }
}

/// Blocks under way.
#[derive(Debug)]
pub(super) struct Blocks {
    done: Vec<Arc<Block>>,
    /// What is to be the next block.
    out: Writer,
    jobs: Vec<Shown>,
    /// Memory for the one after that.
    spare: Vec<u8>,
    /// Memory for packing.
    room: Vec<u8>,
    earlier: Earlier,
    /// Jobs of a block of the earlier rendering that are to come next as they are.
    same: Option<(Arc<Block>, Range<usize>)>,
    /// The block that was unpacked last.
    unpacked: Option<(Arc<Block>, Bytes)>,
}

impl Blocks {
    /// Nothing yet; `earlier` is a rendering of the same, which is let go of on the way.
    pub(super) fn new(version: Version, earlier: Vec<Arc<Block>>) -> Self {
        let room = MOST + FULL;
        let earlier = Earlier::new(earlier);
        let out = Writer::with_capacity(version, room);
        let (spare, packing) = (Vec::with_capacity(room), Vec::new());
        Self { done: Vec::new(), out, jobs: Vec::new(), spare, room: packing, earlier, same: None, unpacked: None }
    }

    /// Goes on with this job, which is made only if it is not known.
    pub(super) fn push(&mut self, revision: Option<Revision>, make: &mut dyn FnMut() -> Job) {
        let Some((block, job)) = self.earlier.find(revision) else {
            self.earlier.let_go();
            self.settle();
            self.out.raw(",");
            make().write(&mut self.out);
            return self.end(revision);
        };
        match &mut self.same {
            Some((same, jobs)) if Arc::ptr_eq(same, &block) && jobs.end == job => jobs.end += 1,
            _ => {
                self.settle();
                self.same = Some((block, job..job + 1));
            }
        }
    }

    /// All blocks.
    pub(super) fn finish(mut self) -> Vec<Arc<Block>> {
        self.settle();
        self.close();
        self.done
    }

    /// Takes over what is known to be the same: a block as it is, or a copy of some of its text.
    fn settle(&mut self) {
        let Some((block, jobs)) = self.same.take() else { return };
        let is_whole = jobs == (0..block.jobs.len()) && block.len() >= LEAST;
        if is_whole && (self.out.is_empty() || self.out.len() >= LEAST) {
            self.close();
            self.done.push(block);
            return;
        }
        let range = block.range(&jobs);
        let (begin, end) = (self.out.len(), range.start);
        let text = match self.unpacked.take() {
            Some((unpacked, text)) if Arc::ptr_eq(&unpacked, &block) => text,
            _ => block.text(),
        };
        self.out.written(&text[range]);
        let moved = |job: &Shown| Shown { end: at(begin + job.end as usize - end), ..*job };
        self.jobs.extend(block.jobs[jobs].iter().map(moved));
        self.unpacked = Some((block, text));
        self.close_if_full();
    }

    /// A job's text has ended.
    fn end(&mut self, revision: Option<Revision>) {
        self.jobs.push(Shown { revision, end: at(self.out.len()) });
        self.close_if_full();
    }

    fn close_if_full(&mut self) {
        if self.out.len() >= FULL {
            self.close();
        }
    }

    /// Makes a block of what there is, or two.
    fn close(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let text = self.out.take(std::mem::take(&mut self.spare));
        let half = self.jobs.partition_point(|job| (job.end as usize) < text.len() / 2) + 1;
        if text.len() > MOST && half < self.jobs.len() {
            let (first, second) = self.jobs.split_at_mut(half);
            let middle = first.last().map_or(0, |job| job.end);
            for job in &mut *second {
                job.end -= middle;
            }
            self.done.push(Block::new(&text[..middle as usize], first, &mut self.room));
            self.done.push(Block::new(&text[middle as usize..], second, &mut self.room));
        } else {
            self.done.push(Block::new(&text, &self.jobs, &mut self.room));
        }
        self.jobs.clear();
        self.spare = text;
    }
}

/// A place in a block's text. A job's description, of which it is made, is far smaller than this.
fn at(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// An earlier rendering, along which a new one is made. Who is sent it has it still; here it is in memory only where it may be
/// needed yet.
#[derive(Debug)]
struct Earlier {
    /// With the number of its jobs that come before; `None`: it was let go of.
    blocks: Vec<(usize, Option<Arc<Block>>)>,
    /// The job that is expected next: its block, and its place in it.
    next: (usize, usize),
    /// Where all jobs are; made when one is not where it was expected.
    places: Option<HashMap<Revision, (usize, usize)>>,
    /// About where in the earlier rendering the next job is, in jobs.
    at: usize,
    /// So many blocks were let go of.
    gone: usize,
}

impl Earlier {
    fn new(blocks: Vec<Arc<Block>>) -> Self {
        let mut before = 0;
        let place = |block: Arc<Block>| {
            let at = before;
            before += block.jobs.len();
            (at, Some(block))
        };
        Self { blocks: blocks.into_iter().map(place).collect(), next: (0, 0), places: None, at: 0, gone: 0 }
    }

    /// Lets go of what is far behind. (A job that has been there, and comes yet, is made anew.)
    fn let_go(&mut self) {
        while let Some((at, block)) = self.blocks.get_mut(self.gone) {
            if block.as_ref().is_some_and(|block| *at + block.jobs.len() + BEHIND >= self.at) {
                break;
            }
            *block = None;
            self.gone += 1;
        }
    }

    /// The next job, if it is known: its block, and its place there.
    fn find(&mut self, revision: Option<Revision>) -> Option<(Arc<Block>, usize)> {
        let found = revision.and_then(|revision| self.place(revision));
        let at = found.as_ref().map_or(self.at, |(block, job)| self.blocks[*block].0 + job);
        // one that comes from far ahead says nothing of the next
        self.at = self.at.min(at) + 1;
        let (block, job) = found?;
        let found = Arc::clone(self.block(block)?);
        self.next = if job + 1 < found.jobs.len() { (block, job + 1) } else { (block + 1, 0) };
        Some((found, job))
    }

    fn place(&mut self, revision: Revision) -> Option<(usize, usize)> {
        let (block, job) = self.next;
        let expected = self.block(block).and_then(|block| block.jobs.get(job));
        if expected.is_some_and(|job| job.revision == Some(revision)) {
            return Some((block, job));
        }
        self.places().get(&revision).copied().filter(|(block, _)| self.block(*block).is_some())
    }

    fn block(&self, at: usize) -> Option<&Arc<Block>> {
        self.blocks.get(at)?.1.as_ref()
    }

    fn places(&mut self) -> &HashMap<Revision, (usize, usize)> {
        let blocks = &self.blocks;
        self.places.get_or_insert_with(|| {
            let of_block = |(at, (_, block)): (usize, &(usize, Option<Arc<Block>>))| {
                let place = move |(job, shown): (usize, &Shown)| Some((shown.revision?, (at, job)));
                block.iter().flat_map(|block| block.jobs.iter().enumerate().filter_map(place)).collect::<Vec<_>>()
            };
            blocks.iter().enumerate().flat_map(of_block).collect()
        })
    }
}
