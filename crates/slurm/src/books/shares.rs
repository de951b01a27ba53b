//! Fair shares, by Slurm's fair tree: siblings are compared by share and usage, and the order of all users that comes of it is
//! their factor.

use std::collections::BTreeMap;

use super::inherit::Tree;
use super::tres::full_name;
use super::{AssociationsWanted, Books, text};
use crate::objects::{
    AssocSharesObjWrap, Association, SharesFloat128Tres, SharesQuery, SharesRespMsg, SharesUint64Tres,
};
use crate::table::{Flags, Num, Number};

/// What each user of an account has used: seconds of each resource, of which the older count less.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usages(BTreeMap<(String, String), BTreeMap<String, f64>>);

impl Usages {
    /// Adds to what a user of an account has used of a resource.
    pub fn add(&mut self, account: &str, user: &str, tres: &str, seconds: f64) {
        let of = self.0.entry((account.to_owned(), user.to_owned())).or_default();
        *of.entry(tres.to_owned()).or_default() += seconds;
    }
}

/// What stands for "no usage at all": Slurm's infinity, as its answers show it.
const ENDLESS: f64 = 18_446_744_073_709_551_615.0;
/// What usage is counted in.
const COUNTED: &str = "billing";

#[derive(Debug)]
struct Node<'a> {
    association: &'a Association,
    children: Vec<usize>,
    usage: BTreeMap<String, f64>,
    /// Share and usage among siblings.
    share: f64,
    part: f64,
    /// Usage as a part of all.
    whole: f64,
    level: f64,
    factor: f64,
}

impl Node<'_> {
    fn is_user(&self) -> bool {
        !text(self.association.user.as_ref()).is_empty()
    }

    fn counted(&self) -> f64 {
        self.usage.get(COUNTED).copied().unwrap_or_default()
    }
}

impl Books {
    /// The fair shares on our cluster. Users that are asked for are shown with the accounts above them.
    pub fn shares(&self, query: &SharesQuery, used: &Usages) -> SharesRespMsg {
        let tree = Tree::of(self);
        let own = AssociationsWanted { clusters: vec![self.cluster.clone()], ..AssociationsWanted::default() };
        let mut all = self.matching(&own, &tree);
        all.sort_by_cached_key(|one| tree.lineage(one));
        let mut nodes = grow(&all, used);
        weigh(&mut nodes);
        rank(&mut nodes);
        let list = |csv: Option<&crate::table::Csv>| csv.cloned().unwrap_or_default().0;
        let (users, accounts) = (list(query.users.as_ref()), list(query.accounts.as_ref()));
        let is_asked = |node: &Node<'_>| {
            let one = node.association;
            let by_account = super::passes(&accounts, text(one.account.as_ref()));
            by_account && (!node.is_user() || super::passes(&users, text(one.user.as_ref())))
        };
        let shown = |node: &&Node<'_>| {
            let below = |node: &Node<'_>| node.children.iter().any(|child| is_asked(&nodes[*child]));
            is_asked(node) && (users.is_empty() || node.is_user() || any_below(&nodes, node, &below))
        };
        SharesRespMsg {
            shares: Some(nodes.iter().filter(shown).map(|node| self.show_share(node)).collect()),
            total_shares: Some(0),
        }
    }

    fn show_share(&self, node: &Node<'_>) -> AssocSharesObjWrap {
        let one = node.association;
        let root = text(one.parent_account.as_ref()).is_empty() && !node.is_user();
        let account = || one.account.clone().unwrap_or_default();
        let names = self.tres.values().map(full_name).filter(|name| name != "dynamic_offset");
        let names: Vec<String> = names.collect();
        let each = |value: Num<u64>| {
            let of = |name: &String| SharesUint64Tres { name: Some(name.clone()), value: Some(value) };
            names.iter().map(of).collect::<Vec<_>>()
        };
        let known = |number: f64| if root { Num::Unset } else { Num::Set(number) };
        let old = |number: f64| if root { 4_294_967_294.0 } else { number };
        AssocSharesObjWrap {
            id: one.id,
            cluster: one.cluster.clone(),
            name: Some(if node.is_user() { text(one.user.as_ref()).to_owned() } else { account() }),
            parent: Some(if node.is_user() { account() } else { text(one.parent_account.as_ref()).to_owned() }),
            partition: one.partition.clone(),
            shares_normalized: Some(Num::Set(if root { 1.0 / f64::from(u32::MAX - 1) } else { node.share })),
            shares: Some(if root { Num::Unset } else { Num::Set(one.shares_raw.unwrap_or(1).unsigned_abs()) }),
            tres_run_seconds: Some(each(Num::Set(0))),
            tres_group_minutes: Some(each(Num::Infinite)),
            tres_usage: Some(
                names
                    .iter()
                    .map(|name| SharesFloat128Tres {
                        name: Some(name.clone()),
                        value: Some(Number(node.usage.get(name).copied().unwrap_or_default())),
                    })
                    .collect(),
            ),
            effective_usage: Some(Num::Set(node.part)),
            effective_usage_old: Some(node.part),
            usage_normalized: Some(known(node.whole)),
            usage: Some(node.counted() as i64),
            fairshare_factor: Some(Num::Set(node.factor)),
            fairshare_factor_old: Some(node.factor),
            fairshare_level: Some(known(node.level)),
            fairshare_level_old: Some(old(node.level)),
            kind: Some(Flags::of([if node.is_user() { "USER" } else { "ASSOCIATION" }])),
        }
    }
}

fn any_below(nodes: &[Node<'_>], node: &Node<'_>, wanted: &impl Fn(&Node<'_>) -> bool) -> bool {
    wanted(node) && node.children.iter().any(|child| nodes[*child].is_user())
        || node.children.iter().any(|child| !nodes[*child].is_user() && any_below(nodes, &nodes[*child], wanted))
}

/// The associations as a tree, with the usage of everything below in each; the first is the root.
fn grow<'a>(all: &[&'a Association], used: &Usages) -> Vec<Node<'a>> {
    let accounts: BTreeMap<&str, usize> = all
        .iter()
        .enumerate()
        .filter(|(_, one)| text(one.user.as_ref()).is_empty())
        .map(|(at, one)| (text(one.account.as_ref()), at))
        .collect();
    let node = |one: &&'a Association| {
        let key = (text(one.account.as_ref()).to_owned(), text(one.user.as_ref()).to_owned());
        // what a user has used is not known by partition
        let own = text(one.partition.as_ref()).is_empty().then(|| used.0.get(&key).cloned()).flatten();
        Node {
            association: one,
            children: Vec::new(),
            usage: own.unwrap_or_default(),
            share: 1.0,
            part: 1.0,
            whole: 1.0,
            level: 0.0,
            factor: 0.0,
        }
    };
    let mut nodes: Vec<Node<'a>> = all.iter().map(node).collect();
    // parents come before their children in the order of lineages: from the end, every child is done before its parent
    for at in (0..nodes.len()).rev() {
        let one = nodes[at].association;
        let above = if nodes[at].is_user() { text(one.account.as_ref()) } else { text(one.parent_account.as_ref()) };
        let Some(parent) = accounts.get(above).copied().filter(|parent| *parent != at) else { continue };
        nodes[parent].children.push(at);
        let usage = nodes[at].usage.clone();
        for (name, seconds) in usage {
            *nodes[parent].usage.entry(name).or_default() += seconds;
        }
    }
    nodes
}

/// Shares and usage of all among their siblings.
fn weigh(nodes: &mut [Node<'_>]) {
    let total = nodes.iter().map(Node::counted).fold(0.0, f64::max);
    for at in 0..nodes.len() {
        let children = nodes[at].children.clone();
        let raw = |nodes: &[Node<'_>], at: usize| f64::from(nodes[at].association.shares_raw.unwrap_or(1).max(0));
        let shares: f64 = children.iter().map(|child| raw(nodes, *child)).sum();
        let usage: f64 = children.iter().map(|child| nodes[*child].counted()).sum();
        for child in children {
            let share = raw(nodes, child);
            let node = &mut nodes[child];
            node.share = if shares > 0.0 { share / shares } else { 0.0 };
            node.part = if usage > 0.0 { node.counted() / usage } else { 0.0 };
            node.whole = if total > 0.0 { node.counted() / total } else { 0.0 };
            node.level = if node.part > 0.0 { node.share / node.part } else { ENDLESS };
        }
    }
}

/// Gives every user its place: siblings in the order of their levels, whole branches at a time. Equal levels share a place, and
/// the branches among them are taken as one.
fn rank(nodes: &mut [Node<'_>]) {
    let users = nodes.iter().filter(|node| node.is_user()).count();
    let Some(root) = nodes.first() else { return };
    let mut order = Order { users, placed: 0 };
    let children = root.children.clone();
    order.place(nodes, children, None);
}

struct Order {
    users: usize,
    placed: usize,
}

impl Order {
    /// `tied`: how many were placed before those whose place the first of these share.
    fn place(&mut self, nodes: &mut [Node<'_>], mut siblings: Vec<usize>, tied: Option<usize>) {
        siblings.sort_by(|a, b| nodes[*b].level.total_cmp(&nodes[*a].level));
        let mut tied = tied;
        let mut rest = siblings.as_slice();
        while let Some(first) = rest.first() {
            let level = nodes[*first].level;
            let count = rest.iter().take_while(|at| nodes[**at].level.total_cmp(&level).is_eq()).count();
            let (equal, others) = rest.split_at(count);
            rest = others;
            let before = tied.take().unwrap_or(self.placed);
            let mut below = Vec::new();
            for at in equal {
                if nodes[*at].is_user() {
                    nodes[*at].factor = (self.users - before) as f64 / self.users as f64;
                    self.placed += 1;
                } else {
                    below.extend(nodes[*at].children.iter().copied());
                }
            }
            self.place(nodes, below, Some(before));
        }
    }
}
