//! Jobs as they came: each is read when it is looked at, and known again in a later answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use super::reply::Reply;
use crate::cluster::{Offered, Revision};
use crate::objects::{Job, NodeResourceLayout};
use crate::rpc::codec::{Malformed, Wire};
use crate::rpc::error::Error;
use crate::rpc::show::{self, Names};
use crate::rpc::{Kind, Protocol, records, words};

/// Jobs as the controller packed them.
#[derive(Debug)]
pub struct Jobs {
    reply: Reply,
    asked: Kind,
    head: records::JobsHead,
    found: OnceLock<Vec<Found>>,
    /// The list before, as long as it is not known what is the same.
    earlier: Mutex<Option<Arc<Jobs>>>,
    places: OnceLock<Places>,
}

/// Where the records of jobs are, in order of the numbers by which they are asked for: their own, and those of the array and of
/// the heterogeneous job that they are of.
type Places = Vec<(u32, u32)>;

/// A record, and what of it has to be known without reading it again.
#[derive(Debug, Clone)]
struct Found {
    /// Where it is in the body: an answer is not longer than a length of 32 bits can say.
    at: Range<u32>,
    /// Its numbers; 0: none.
    numbers: [u32; 3],
    /// Whose login is not said by it.
    user: Option<u32>,
    group: u32,
    /// When it was looked at last, if it is shown differently by whether that was in the last round.
    evaluated: Option<u64>,
    /// No other record that was ever read has this number, but those of the same bytes in the same protocol.
    number: u64,
}

impl Found {
    fn new(record: &records::Job<'_>, at: Range<u32>) -> Self {
        /// The number of the record that was read last and was not known.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let mut numbers = [0; 3];
        for (place, number) in numbers.iter_mut().zip(record.numbers()) {
            *place = number;
        }
        Self {
            at,
            numbers,
            user: show::lacks_login(record).then_some(record.user_id),
            group: record.group_id,
            evaluated: show::evaluated(record),
            number: LAST.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn range(&self) -> Range<usize> {
        self.at.start as usize..self.at.end as usize
    }
}

impl Jobs {
    pub(super) fn of(reply: Reply, asked: Kind) -> Result<Self, Error> {
        if reply.kind != Kind::JOBS_ARE {
            return Err(Error::Unexpected { kind: asked, answered: reply.kind });
        }
        let head =
            records::JobsHead::read(&mut reply.reader()).map_err(|source| Error::Malformed { kind: asked, source })?;
        let (found, earlier, places) = (OnceLock::new(), Mutex::default(), OnceLock::new());
        Ok(Self { reply, asked, head, found, earlier, places })
    }

    /// The same, to be compared with the list before: what has not changed is known again.
    #[must_use]
    pub fn after(self, earlier: Option<Arc<Self>>) -> Self {
        // one that nobody has looked at knows nothing, and would only keep others
        let earlier = earlier.filter(|list| list.found.get().is_some() && list.protocol() == self.protocol());
        Self { earlier: Mutex::new(earlier), ..self }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.head.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.head.count == 0
    }

    /// When a job changed last, unix seconds.
    pub fn last_update(&self) -> u64 {
        self.head.last_update
    }

    /// When the backfill scheduler last looked at jobs, unix seconds; 0: never.
    pub fn last_backfill(&self) -> u64 {
        self.head.last_backfill
    }

    /// The version in which they came.
    pub(super) fn protocol(&self) -> Protocol {
        self.reply.protocol
    }

    /// How many bytes they are.
    pub fn size(&self) -> usize {
        self.reply.frame.len()
    }

    /// What the job with this number was given of each node, if it runs.
    pub(super) fn layout(&self, id: u32) -> Result<Option<Vec<NodeResourceLayout>>, Error> {
        let mut found = None;
        for one in self.found()?.iter().filter(|one| one.numbers[0] == id) {
            let record = self.record(one)?;
            if words::is_running(record.state) {
                found = show::layout_of(&record);
            }
        }
        Ok(found)
    }

    /// Calls `each` with every job, in the controller's order.
    pub fn each(&self, names: Names<'_>, each: &mut dyn FnMut(Job)) -> Result<(), Error> {
        for found in self.found()? {
            each(show::job(&self.record(found)?, self.head.last_backfill, names));
        }
        Ok(())
    }

    /// Calls `each` with every job, in the controller's order: by what it is known again, and how it is made if it is not known.
    /// `seen` is what its looks depend on besides what came and `names`.
    pub fn offer(&self, names: Names<'_>, seen: u64, each: &mut Offered<'_>) -> Result<(), Error> {
        /// Nobody outside can make two looks that are taken for one.
        static LOOKS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        // each is asked for once: what is shown is what the revision says, also if a name changes meanwhile
        let (users, groups) = (RefCell::new(HashMap::new()), RefCell::new(HashMap::new()));
        let user = |number| users.borrow_mut().entry(number).or_insert_with(|| (names.user)(number)).clone();
        let group = |number| groups.borrow_mut().entry(number).or_insert_with(|| (names.group)(number)).clone();
        let names = Names { user: &user, group: &group };
        let mut known = HashMap::new();
        let mut outcome = Ok(());
        for found in self.found()? {
            let lately = found.evaluated.is_some_and(|at| show::is_of_last_round(at, self.head.last_backfill));
            let looks = *known.entry((found.user, found.group, lately)).or_insert_with(|| {
                let user = found.user.map(|user| names.user(user));
                LOOKS.hash_one((user, names.group(found.group), lately, seen))
            });
            let mut make = || match self.record(found) {
                Ok(record) => show::job(&record, self.head.last_backfill, names),
                Err(error) => {
                    outcome = Err(error);
                    Job::default()
                }
            };
            each(Some(Revision { record: found.number, looks }), &mut make);
        }
        outcome
    }

    /// Calls `each` with the job of this number, the tasks of the array or the components of the heterogeneous job, in the
    /// controller's order. The others are not looked at, unless this is the first time that anything is.
    pub fn each_of(&self, id: u32, names: Names<'_>, each: &mut dyn FnMut(Job)) -> Result<(), Error> {
        let (found, places) = (self.found()?, self.places()?);
        let from = places.partition_point(|(number, _)| *number < id);
        for (_, at) in places[from..].iter().take_while(|(number, _)| *number == id) {
            each(show::job(&self.record(&found[*at as usize])?, self.head.last_backfill, names));
        }
        Ok(())
    }

    /// Whether [`Jobs::each_of`] has something to tell of this number.
    pub fn has(&self, id: u32) -> Result<bool, Error> {
        let places = self.places()?;
        Ok(places.binary_search_by_key(&id, |(number, _)| *number).is_ok())
    }

    fn places(&self) -> Result<&Places, Error> {
        let found = self.found()?;
        Ok(self.places.get_or_init(|| places(found)))
    }

    fn record(&self, found: &Found) -> Result<records::Job<'_>, Error> {
        let record = records::Job::read(&mut self.reply.reader_at(found.range().start));
        record.map_err(|source| Error::Malformed { kind: self.asked, source })
    }

    /// All records; they are looked for once.
    fn found(&self) -> Result<&[Found], Error> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        // one does it, and the others wait
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        if self.found.get().is_none() {
            let found = self.find(earlier.as_deref())?;
            let _ = self.found.set(found);
            *earlier = None;
        }
        Ok(self.found.get().map(Vec::as_slice).unwrap_or_default())
    }

    /// Reads all records but those that are in the earlier list, too: the same bytes are read to the same end, and mean the same.
    fn find(&self, earlier: Option<&Self>) -> Result<Vec<Found>, Error> {
        let body = &self.reply.frame[self.reply.body.clone()];
        let mut earlier = earlier.map(Earlier::of);
        self.reply.read(self.asked, Kind::JOBS_ARE, |from| {
            let head = records::JobsHead::read(from)?;
            let mut all = Vec::new();
            for _ in 0..head.count {
                let begin = from.at();
                let same = earlier.as_mut().and_then(|earlier| earlier.next_is(&body[begin..]));
                let found = if let Some(same) = same {
                    from.take(same.range().len())?;
                    Found { at: begin as u32..from.at() as u32, ..same.clone() }
                } else {
                    let record = records::Job::read(from)?;
                    let found = Found::new(&record, begin as u32..from.at() as u32);
                    match earlier.as_mut().and_then(|earlier| earlier.skip_to(&found, &body[begin..from.at()])) {
                        Some(number) => Found { number, ..found },
                        None => found,
                    }
                };
                all.push(found);
            }
            all.shrink_to_fit();
            Ok::<_, Malformed>(all)
        })
    }
}

fn places(found: &[Found]) -> Places {
    let numbers = |(at, one): (usize, &Found)| one.numbers.map(|number| (number, at as u32));
    let mut places: Places = found.iter().enumerate().flat_map(numbers).filter(|(number, _)| *number != 0).collect();
    places.sort_unstable();
    places.dedup();
    places.shrink_to_fit();
    places
}

/// An earlier list, along which a newer one is read.
struct Earlier<'a> {
    body: &'a [u8],
    found: &'a [Found],
    /// Which one is expected next.
    next: usize,
    /// Where those with a number are; made when something is not where it was expected.
    of: OnceLock<HashMap<u32, usize>>,
}

impl<'a> Earlier<'a> {
    fn of(list: &'a Jobs) -> Self {
        let body = &list.reply.frame[list.reply.body.clone()];
        Self { body, found: list.found.get().map(Vec::as_slice).unwrap_or_default(), next: 0, of: OnceLock::new() }
    }

    /// The record with which `bytes` begin, if it is the one that is expected.
    fn next_is(&mut self, bytes: &[u8]) -> Option<&'a Found> {
        let found = self.found.get(self.next).filter(|found| bytes.starts_with(&self.body[found.range()]))?;
        self.next += 1;
        Some(found)
    }

    /// Goes on behind the job of this number, if there was one. Its number, if it has not changed.
    fn skip_to(&mut self, found: &Found, bytes: &[u8]) -> Option<u64> {
        let all = self.found;
        let of = self.of.get_or_init(|| all.iter().enumerate().map(|(at, one)| (one.numbers[0], at)).collect());
        let at = *of.get(&found.numbers[0])?;
        self.next = at + 1;
        let earlier = &all[at];
        (bytes == &self.body[earlier.range()]).then_some(earlier.number)
    }
}

#[cfg(test)]
mod tests;
