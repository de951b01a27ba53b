use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

use jobgate_slurm::rpc::{Client, Limits, Protocol};

use super::super::away::Away;
use super::super::names::NameBook;
use super::*;

fn wire() -> Arc<Wire> {
    let limits = Limits { total: Duration::from_secs(20), ..Limits::default() };
    Arc::new(Wire {
        client: Client::new(Vec::new(), Some(Protocol::V24_11), limits),
        limits,
        away: Away::default(),
        names: Arc::new(NameBook::new(BTreeMap::new())),
        read: AtomicU64::new(1),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "what asking gives")]
fn new(value: u32) -> Asked<u32> {
    Ok(Fresh::New((value, Some(u64::from(value)))))
}

fn refused(errno: Errno) -> Asked<u32> {
    Err(Error::Refused { errno, words: None })
}

/// A moment that everything read so far is older than.
fn from_now_on() -> Instant {
    Instant::now()
}

#[test]
fn however_many_want_it_one_asks() {
    let (kept, wire, asked) = (Arc::new(Kept::default()), wire(), Arc::new(AtomicUsize::new(0)));
    let since = from_now_on();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let asked = Arc::clone(&asked);
                let glimpse = kept.get(&wire, since, move |_, _| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(50));
                    new(7)
                });
                assert_eq!(*glimpse.unwrap().value, 7);
            });
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn what_has_not_changed_is_the_same_thing_again() {
    let (kept, wire) = (Arc::new(Kept::default()), wire());
    let first = kept.get(&wire, from_now_on(), |_, since| {
        assert_eq!(since, None);
        new(7)
    });
    let again = kept.get(&wire, from_now_on(), |_, since| {
        assert_eq!(since, Some(7));
        Ok(Fresh::Unchanged)
    });
    let (first, again) = (first.unwrap(), again.unwrap());
    assert!(first.number == again.number && first.asked < again.asked);
    let other = kept.get(&wire, from_now_on(), |_, _| new(8)).unwrap();
    assert!(other.number > again.number && *other.value == 8);
}

#[test]
fn the_old_thing_is_shown_while_nobody_answers() {
    let (kept, wire) = (Arc::new(Kept::default()), wire());
    assert_eq!(kept.get(&wire, from_now_on(), |_, _| Err(Error::NoController)).unwrap_err().errno, Errno(1800));
    kept.get(&wire, from_now_on(), |_, _| new(7)).unwrap();
    let old = kept.get(&wire, from_now_on(), |_, _| Err(Error::NoController)).unwrap();
    assert!(*old.value == 7 && old.stale.is_some());
    // all of it is asked for afterwards: who was away may have been somebody else
    let since = from_now_on();
    kept.get(&wire, since, |_, since| if since.is_none() { new(8) } else { Ok(Fresh::Unchanged) }).unwrap();
    assert_eq!(*kept.peek(since).unwrap().value, 8);
}

#[test]
fn nobody_is_kept_waiting_who_has_something_to_show() {
    let (kept, wire) = (Arc::new(Kept::default()), wire());
    kept.get(&wire, from_now_on(), |_, _| new(7)).unwrap();
    let (go, hangs) = mpsc::channel::<()>();
    let begun = Instant::now();
    let old = kept.get(&wire, from_now_on(), move |_, _| {
        hangs.recv().unwrap();
        new(8)
    });
    assert!(old.unwrap().stale.is_some() && begun.elapsed() < Duration::from_secs(10));
    go.send(()).unwrap();
}

#[test]
fn what_is_forbidden_is_forgotten_and_who_is_unknown_is_told_alone() {
    let (kept, wire) = (Arc::new(Kept::default()), wire());
    kept.get(&wire, from_now_on(), |_, _| new(7)).unwrap();
    let stranger = kept.get(&wire, from_now_on(), |_, _| refused(Errno::AUTHENTICATION));
    assert_eq!(stranger.unwrap_err().errno, Errno::AUTHENTICATION);
    assert_eq!(*kept.peek_any().unwrap().value, 7);
    let busy = kept.get(&wire, from_now_on(), |_, _| refused(Errno::BUSY)).unwrap();
    assert!(busy.stale.is_some());
    let forbidden = kept.get(&wire, from_now_on(), |_, _| refused(Errno::ACCESS_DENIED));
    assert_eq!(forbidden.unwrap_err().errno, Errno::ACCESS_DENIED);
    assert!(kept.peek_any().is_none());
}

#[test]
fn who_has_changed_something_does_not_see_what_was_asked_before() {
    let (kept, wire) = (Arc::new(Kept::default()), wire());
    let (go, hangs) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel();
    let (early, wire2) = (Arc::clone(&kept), Arc::clone(&wire));
    let reader = std::thread::spawn(move || {
        early.get(&wire2, from_now_on(), move |_, _| {
            began.send(()).unwrap();
            hangs.recv().unwrap();
            new(7)
        })
    });
    begins.recv().unwrap();
    // an order is given now: what somebody else has asked for before does not count
    let ordered = from_now_on();
    let writer = std::thread::spawn({
        let (kept, wire) = (Arc::clone(&kept), Arc::clone(&wire));
        move || kept.get(&wire, ordered, |_, _| new(8))
    });
    go.send(()).unwrap();
    // who has asked before may see either
    assert!([7, 8].contains(&*reader.join().unwrap().unwrap().value));
    assert_eq!(*writer.join().unwrap().unwrap().value, 8);
}
