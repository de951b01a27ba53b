//! Trackable resources in the books: their numbers.

use std::collections::BTreeMap;

use super::kept::complete;
use super::{Books, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::Tres;

/// Slurm's own, with the number above which a site's begin, and those of GPUs.
const USUAL: [(i32, &str, &str); 12] = [
    (1, "cpu", ""),
    (2, "mem", ""),
    (3, "energy", ""),
    (4, "node", ""),
    (5, "billing", ""),
    (6, "fs", "disk"),
    (7, "vmem", ""),
    (8, "pages", ""),
    (1000, "dynamic_offset", ""),
    (1001, "gres", "gpu"),
    (1002, "gres", "gpumem"),
    (1003, "gres", "gpuutil"),
];

pub(super) fn usual() -> BTreeMap<i32, Tres> {
    USUAL.into_iter().map(|(id, kind, name)| (id, entry(id, kind, name))).collect()
}

fn entry(id: i32, kind: &str, name: &str) -> Tres {
    complete(&Tres {
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        id: Some(id),
        count: Some(0),
        ..Tres::default()
    })
}

/// The number that is not one of a resource.
const OFFSET: i32 = 1000;

impl Books {
    /// All trackable resources, in the order of their numbers.
    pub fn tres(&self) -> Vec<Tres> {
        self.tres.values().cloned().collect()
    }

    /// Takes care that these resources (`gres/gpu:amd`, `license/matlab`) have numbers. Gives whether any was new.
    pub fn learn_tres<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> bool {
        let mut new = false;
        for full in names {
            let (kind, name) = full.split_once('/').unwrap_or((full, ""));
            if kind.is_empty() || self.tres.values().any(|one| is(one, kind, name)) {
                continue;
            }
            let id = self.next.tres;
            self.next.tres += 1;
            self.tres.insert(id, entry(id, kind, name));
            new = true;
        }
        new
    }

    /// A request's resources as `name=count,...`.
    pub fn tres_text(&self, list: &[Tres]) -> Answer<String> {
        let one = |tres: Tres| {
            let name = full_name(&tres);
            if name.is_empty() {
                let description = format!("there is no TRES with number {}", tres.id.unwrap_or_default());
                return Err(Fault::new(Errno::INVALID_ARGUMENT, description));
            }
            Ok(format!("{name}={}", tres.count.unwrap_or_default()))
        };
        Ok(self.resolve_tres(list).into_iter().map(one).collect::<Answer<Vec<_>>>()?.join(","))
    }

    /// A request's resources with their numbers, or with their names where only numbers are given. What is not known is kept as
    /// it came.
    pub(super) fn resolve_tres(&self, list: &[Tres]) -> Vec<Tres> {
        let mut resolved: Vec<Tres> = Vec::with_capacity(list.len());
        for given in list {
            let (kind, name) = (text(given.kind.as_ref()), text(given.name.as_ref()));
            let known = if kind.is_empty() {
                given.id.filter(|id| *id != OFFSET).and_then(|id| self.tres.get(&id))
            } else {
                self.tres.values().find(|one| is(one, kind, name))
            };
            let one = match known {
                Some(known) => Tres { count: given.count, ..known.clone() },
                None => given.clone(),
            };
            // the last word counts
            resolved.retain(|other| (other.kind != one.kind) || (other.name != one.name));
            resolved.push(one);
        }
        resolved
    }
}

fn is(tres: &Tres, kind: &str, name: &str) -> bool {
    text(tres.kind.as_ref()) == kind && text(tres.name.as_ref()) == name
}

/// A resource's name as in texts such as `cpu=4,gres/gpu=1`.
pub(super) fn full_name(tres: &Tres) -> String {
    let (kind, name) = (text(tres.kind.as_ref()), text(tres.name.as_ref()));
    if name.is_empty() { kind.to_owned() } else { format!("{kind}/{name}") }
}
