use std::io::Read as _;

use super::*;
use blocks::{FULL, LEAST, MOST};
use jobgate_slurm::cluster::Revision;
use jobgate_slurm::objects::Job;
use jobgate_slurm::table::{Kind as _, Writer};
use proptest::prelude::*;

/// A job: its number, which one of its states it is in, and how long what is said of it is.
type Said = (u32, u64, usize);

fn revision((id, state, length): Said) -> Revision {
    Revision { record: u64::from(id) << 32 | (length as u64) << 16 | state, looks: 0 }
}

fn job((id, state, length): Said) -> Job {
    Job { job_id: Some(id), name: Some(format!("state {state}")), comment: Some("x".repeat(length)), ..Job::default() }
}

/// Renders jobs after an earlier rendering; gives how many were made, too.
fn render_after(earlier: &[Arc<Block>], jobs: &[Said]) -> (Vec<Arc<Block>>, usize) {
    let mut made = 0;
    let mut blocks = Blocks::new(Version::V45, earlier.to_vec());
    for said in jobs {
        blocks.push(Some(revision(*said)), &mut || {
            made += 1;
            job(*said)
        });
    }
    (blocks.finish(), made)
}

fn rendered(blocks: Vec<Arc<Block>>) -> Rendered {
    Rendered::new(Stamp::default(), 0, blocks)
}

fn text(blocks: &[Arc<Block>]) -> String {
    let parts: Vec<u8> = rendered(blocks.to_vec()).parts().map(Part::text).collect::<Vec<_>>().concat();
    String::from_utf8(parts).unwrap()
}

/// As it has always been made: one job after the other, and nothing known.
fn from_scratch(jobs: &[Said]) -> String {
    let mut out = Writer::new(Version::V45);
    out.list(jobs, |out, said| job(*said).write(out));
    String::from_utf8(out.into_bytes()).unwrap()
}

fn shared(one: &[Arc<Block>], other: &[Arc<Block>]) -> usize {
    one.iter().filter(|block| other.iter().any(|old| Arc::ptr_eq(block, old))).count()
}

fn plain(count: u32) -> Vec<Said> {
    (1..=count).map(|id| (id, 0, 100)).collect()
}

#[test]
fn a_rendering_is_a_list_of_blocks_of_the_usual_length() {
    let jobs = plain(300);
    let (blocks, made) = render_after(&[], &jobs);
    assert_eq!((text(&blocks), made), (from_scratch(&jobs), 300));
    assert!(blocks.len() > 10, "{}", blocks.len());
    assert!(blocks.iter().rev().skip(1).all(|block| (FULL..=MOST).contains(&block.len())));
    assert_eq!(text(&render_after(&[], &[]).0), "[]");
}

#[test]
fn what_is_unchanged_is_taken_over() {
    let jobs = plain(300);
    let (old, _) = render_after(&[], &jobs);
    let (new, made) = render_after(&old, &jobs);
    assert_eq!((text(&new), made), (from_scratch(&jobs), 0));
    assert!(shared(&new, &old) >= old.len() - 1, "only the last one may be small, and is copied");
}

#[test]
fn one_change_makes_one_job_and_leaves_the_other_blocks() {
    let jobs = plain(300);
    let (old, _) = render_after(&[], &jobs);
    for at in [0, 1, 13, 14, 15, 150, 298, 299] {
        let mut changed = jobs.clone();
        changed[at].1 = 1;
        let mut removed = jobs.clone();
        removed.remove(at);
        let mut inserted = jobs.clone();
        inserted.insert(at, (1000, 0, 50));
        let mut moved = jobs.clone();
        let one = moved.remove(at);
        moved.insert(7, one);
        for (what, new, expected) in
            [("changed", changed, 1), ("removed", removed, 0), ("inserted", inserted, 1), ("moved", moved, 0)]
        {
            let (blocks, made) = render_after(&old, &new);
            assert_eq!(made, expected, "{what} at {at}");
            assert!(shared(&blocks, &old) + 4 >= old.len(), "{what} at {at}: {} blocks", shared(&blocks, &old));
            assert_eq!(text(&blocks), from_scratch(&new), "{what} at {at}");
        }
    }
    let appended = [jobs, vec![(1000, 0, 50)]].concat();
    let (blocks, made) = render_after(&old, &appended);
    assert_eq!((text(&blocks), made), (from_scratch(&appended), 1));
}

#[test]
fn compressed_it_is_the_same_and_keeps_what_was_compressed() {
    let jobs = plain(300);
    let (old, _) = render_after(&[], &jobs);
    let mut changed = jobs.clone();
    changed[50].1 = 1;
    let (new, _) = render_after(&old, &changed);
    for (blocks, jobs) in [(Vec::new(), Vec::new()), (old.clone(), jobs), (new.clone(), changed)] {
        let rendered = rendered(blocks);
        for (key, before, after) in [("1", "{\"jobs\":", ",\"meta\":{}}"), ("2", "", "}"), ("2", "not looked at", "")] {
            let compressed = rendered.compressed(key, before.as_bytes(), after.as_bytes());
            let mut text = String::new();
            flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
            let (before, after) = if key == "1" { (before, after) } else { ("", "}") };
            assert_eq!(text, [before, &from_scratch(&jobs), after].concat());
        }
    }
    // what is behind the same block is what was compressed then
    let last = old.len() - 3;
    let piece = old[last].piece_behind(&old[last - 1]);
    let at = new.iter().position(|block| Arc::ptr_eq(block, &old[last])).unwrap();
    assert!(Arc::ptr_eq(&piece, &new[at].piece_behind(&new[at - 1])));
    assert!(!Arc::ptr_eq(&piece, &new[at].piece_behind(&new[0])), "it is no more behind that one");
}

#[test]
fn what_cannot_be_known_again_is_made_again() {
    let mut made = 0;
    let mut render = |earlier: &[Arc<Block>]| {
        let mut blocks = Blocks::new(Version::V45, earlier.to_vec());
        for said in plain(20) {
            blocks.push(None, &mut || {
                made += 1;
                job(said)
            });
        }
        blocks.finish()
    };
    let old = render(&[]);
    assert!(!old[0].is_lasting());
    assert_eq!(text(&render(&old)), text(&old));
    assert_eq!(made, 40);
}

#[test]
fn only_a_rendering_in_the_same_version_for_the_same_audience_is_taken_over() {
    let audience =
        |class: &str, user: Option<&str>| Audience { class: Some(class.to_owned()), user: user.map(str::to_owned) };
    let which = |version, audience| Which { version, audience };
    let listings = Listings::new(1 << 30);
    let mine = || which(Version::V45, audience("alice", None));
    listings.keep(mine(), &Arc::new(rendered(render_after(&[], &plain(3)).0)));
    for other in [
        which(Version::V40, audience("alice", None)),
        which(Version::V45, audience("bob", None)),
        which(Version::V45, audience("", None)),
        which(Version::V45, audience("alice", Some("alice"))),
    ] {
        assert!(listings.earlier(&other).is_empty(), "{other:?}");
    }
    assert_eq!(listings.earlier(&mine()).len(), 1);
    assert!(listings.earlier(&mine()).is_empty(), "it was taken");
}

#[test]
fn what_has_all_changed_is_let_go_of_on_the_way() {
    let (old, _) = render_after(&[], &plain(3000));
    let (first, last) = (Arc::downgrade(&old[0]), Arc::downgrade(old.last().unwrap()));
    let jobs: Vec<Said> = plain(3000).into_iter().map(|(id, _, length)| (id, 1, length)).collect();
    let mut blocks = Blocks::new(Version::V45, old);
    for (at, said) in jobs.iter().enumerate() {
        blocks.push(Some(revision(*said)), &mut || job(*said));
        // a block has about 14 of these jobs
        assert!(last.upgrade().is_some() && (first.upgrade().is_none() || at < 1040), "{at}");
        assert!(first.upgrade().is_some() || at >= 1000, "{at}");
    }
    assert_eq!(text(&blocks.finish()), from_scratch(&jobs));
    assert!(last.upgrade().is_none());
    // new ones in front do not outrun it
    let (old, _) = render_after(&[], &plain(3000));
    let jobs = [(5000..5500).map(|id| (id, 0, 10)).collect(), plain(3000)].concat();
    let (new, made) = render_after(&old, &jobs);
    assert_eq!(made, 500);
    assert_eq!(text(&new), from_scratch(&jobs));
}

/// What happens to a list.
#[derive(Debug, Clone)]
enum Edit {
    Change(usize),
    Remove(usize, usize),
    Insert(usize, usize),
    Swap(usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let edit = prop_oneof![
        any::<usize>().prop_map(Edit::Change),
        (any::<usize>(), 1..40_usize).prop_map(|(at, many)| Edit::Remove(at, many)),
        (any::<usize>(), 0..300_000_usize).prop_map(|(at, length)| Edit::Insert(at, length.saturating_sub(250_000))),
        (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Edit::Swap(one, other)),
    ];
    prop::collection::vec(prop::collection::vec(edit, 0..6), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn however_a_list_changes_it_is_as_from_scratch(rounds in edits()) {
        let mut jobs = plain(90);
        let mut last = 1000;
        let (mut blocks, _) = render_after(&[], &jobs);
        for edits in rounds {
            for edit in edits {
                let at = |place: usize| place % jobs.len().max(1);
                match edit {
                    _ if jobs.is_empty() => {}
                    Edit::Change(place) => {
                        last += 1;
                        let place = at(place);
                        jobs[place].1 = last;
                    }
                    Edit::Remove(place, many) => {
                        let place = at(place);
                        jobs.drain(place..(place + many).min(jobs.len()));
                    }
                    Edit::Insert(place, length) => {
                        last += 1;
                        let place = at(place);
                        jobs.insert(place, (u32::try_from(last).unwrap(), 0, length));
                    }
                    Edit::Swap(one, other) => {
                        let (one, other) = (at(one), at(other));
                        jobs.swap(one, other);
                    }
                }
            }
            let known: std::collections::HashSet<_> = blocks.iter().flat_map(|block| block.revisions()).collect();
            let new = jobs.iter().filter(|said| !known.contains(&Some(revision(**said)))).count();
            let (after, made) = render_after(&blocks, &jobs);
            prop_assert_eq!(made, new);
            prop_assert_eq!(text(&after), from_scratch(&jobs));
            let lengths: Vec<usize> = after.iter().map(|block| block.len()).collect();
            // one job may be longer than any block
            prop_assert!(lengths.iter().all(|length| *length <= MOST + 60_000), "{:?}", lengths);
            prop_assert!(lengths.iter().rev().skip(1).all(|length| *length >= LEAST), "{:?}", lengths);
            blocks = after;
        }
    }
}
