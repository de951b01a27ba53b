//! The tree of an experiment: dates, members, sections, jobs; and wrappers. Titles are HTML, as the clients show them.

mod titles;

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use serde_json::{Map, Value};

use super::facts::{Facts, JobFacts, package_code};
use crate::jobs::Job;
use crate::status::JobStatus;

pub use titles::{CHECK_MARK, Counters, SOURCE, SYNC, TARGET, date_form, leaf_title, wrapper_tag};
pub(super) use titles::{add_badges, uniform_tag};
use titles::{folder_title, reference_tags};

/// A folder or a job of the tree.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Node {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<bool>,
    pub ref_key: String,
    pub data: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expanded: Option<bool>,
    pub children: Vec<Node>,
}

/// A job of the tree.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct TreeJob<'a> {
    #[serde(flatten)]
    pub facts: JobFacts<'a>,
    pub title: &'a str,
    pub wrapper_code: Option<&'a str>,
    pub tree_parents: Vec<String>,
}

/// The whole answer but for its errors and its time.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Tree<'a> {
    pub tree: Vec<Node>,
    pub jobs: Vec<TreeJob<'a>>,
    pub total: usize,
    pub reference: Map<String, Value>,
}

impl Node {
    pub(super) fn leaf(title: &str, name: &str) -> Self {
        Self {
            title: title.to_owned(),
            folder: None,
            ref_key: name.to_owned(),
            data: empty(),
            expanded: None,
            children: Vec::new(),
        }
    }

    pub(super) fn folder(title: String, key: String, expanded: bool, children: Vec<Self>) -> Self {
        Self { title, folder: Some(true), ref_key: key, data: empty(), expanded: Some(expanded), children }
    }
}

fn empty() -> Value {
    Value::from("Empty")
}

/// The titles of all jobs' leaves, in the order of the list.
pub fn titles(facts: &Facts<'_>) -> Vec<String> {
    (0..facts.snapshot.jobs.len()).map(|place| leaf_title(facts, place)).collect()
}

/// The tree of an experiment. `titles` are those of [`titles`].
pub fn tree<'a>(facts: &'a Facts<'a>, titles: &'a [String]) -> Tree<'a> {
    let jobs = facts.snapshot.jobs.jobs();
    let builder = Builder { facts, titles, jobs, form: date_form(jobs.iter().filter_map(|job| job.date)) };
    let mut reference = Map::new();
    let mut nodes = builder.dates(&mut reference);
    nodes.extend(builder.keys());
    nodes.extend(builder.wrappers(&mut reference));
    reference.extend(reference_tags());
    let packages: Vec<Value> = facts.snapshot.packages.all().iter().map(|(name, _)| Value::from(*name)).collect();
    reference.insert("packages".to_owned(), Value::from(packages));
    reference.insert("chunk_unit".to_owned(), Value::from(facts.chunk_length.unit.as_str()));
    reference.insert("chunk_size".to_owned(), Value::from(facts.chunk_length.size));
    let jobs = (0..builder.jobs.len()).map(|place| builder.job(place)).collect();
    Tree { tree: nodes, jobs, total: builder.jobs.len(), reference }
}

struct Builder<'a> {
    facts: &'a Facts<'a>,
    titles: &'a [String],
    jobs: &'a [Job],
    /// How dates are written
    form: &'static str,
}

/// The member of jobs that have none.
const NO_MEMBER: &str = "DEFAULT";

impl<'a> Builder<'a> {
    fn job(&self, place: usize) -> TreeJob<'a> {
        let facts = self.facts.job(place);
        let wrapper_code = facts.wrapper.and_then(package_code);
        let tree_parents = self.member_key(place).into_iter().collect();
        TreeJob { title: &self.titles[place], wrapper_code, tree_parents, facts }
    }

    fn date(&self, place: usize) -> Option<String> {
        self.jobs[place].date.map(|date| date.strftime(self.form).to_string())
    }

    fn member(&self, place: usize) -> &'a str {
        self.jobs[place].member.as_deref().unwrap_or(NO_MEMBER)
    }

    fn member_key(&self, place: usize) -> Option<String> {
        Some(format!("{}_{}_{}", self.facts.snapshot.expid, self.date(place)?, self.member(place)))
    }

    fn leaf(&self, place: usize) -> Node {
        Node::leaf(&self.titles[place], &self.jobs[place].name)
    }

    fn dates(&self, reference: &mut Map<String, Value>) -> Vec<Node> {
        let dated: Vec<usize> = (0..self.jobs.len()).filter(|place| self.jobs[*place].date.is_some()).collect();
        // two points of time may be written the same way, and are two folders nevertheless
        let by_date = grouped(&dated, |place| self.jobs[place].date);
        let members = grouped(&dated, |place| self.member(place));
        let many = by_date.len() > 5;
        let mut nodes = Vec::new();
        for (_, places) in &by_date {
            let date = &self.date(places[0]).unwrap_or_default();
            let within: HashMap<&str, Vec<usize>> = grouped(places, |place| self.member(place)).into_iter().collect();
            let mut children = Vec::new();
            for (member, _) in &members {
                if let Some(places) = within.get(member) {
                    children.push(self.member_folder(date, member, places, reference));
                }
            }
            let tag = uniform_tag(places.iter().map(|place| self.jobs[*place].status));
            let expanded = !many || tag.is_empty();
            let title = format!("{}_{date}{tag}", self.facts.snapshot.expid);
            nodes.push(Node::folder(title.clone(), title, expanded, children));
        }
        nodes
    }

    fn member_folder(&self, date: &str, member: &str, places: &[usize], reference: &mut Map<String, Value>) -> Node {
        let key = format!("{}_{date}_{member}", self.facts.snapshot.expid);
        let counters = Counters::of(places.iter().map(|place| self.jobs[*place].status));
        let title = folder_title(&key, &counters);
        reference.insert(key.clone(), counters.json(false));
        let sections = grouped(places, |place| self.jobs[place].section.as_deref().unwrap_or_default());
        let (single, several): (Vec<_>, Vec<_>) = sections.into_iter().partition(|(_, places)| places.len() == 1);
        let single: Vec<usize> = single.into_iter().flat_map(|(_, places)| places).collect();
        let mut children = self.ordered(&single).0;
        for (section, places) in several {
            let (leaves, busy) = self.ordered(&places);
            children.push(Node::folder(section.to_owned(), format!("{key}_{section}"), busy, leaves));
        }
        Node::folder(title, key, false, children)
    }

    /// Leaves of jobs, those that are busy first, and whether there are any.
    fn ordered(&self, places: &[usize]) -> (Vec<Node>, bool) {
        use JobStatus::{Completed, Ready, Suspended, Waiting};
        let mut leaves = VecDeque::new();
        let mut any_busy = false;
        for place in places {
            if matches!(self.jobs[*place].status, Completed | Waiting | Ready | Suspended) {
                leaves.push_back(self.leaf(*place));
            } else {
                any_busy = true;
                leaves.push_front(self.leaf(*place));
            }
        }
        (leaves.into(), any_busy)
    }

    fn keys(&self) -> Option<Node> {
        let undated = (0..self.jobs.len()).filter(|place| self.jobs[*place].date.is_none());
        let leaves: Vec<Node> = undated.map(|place| self.leaf(place)).collect();
        (!leaves.is_empty()).then(|| Node::folder("Keys".to_owned(), "Keys".to_owned(), true, leaves))
    }

    fn wrappers(&self, reference: &mut Map<String, Value>) -> Option<Node> {
        let snapshot = self.facts.snapshot;
        if snapshot.packages.is_empty() {
            return None;
        }
        let mut packages: Vec<_> = snapshot.packaged().into_iter().collect();
        packages.sort_by_key(|(name, _)| *name);
        let mut folders = Vec::new();
        for (name, mut places) in packages {
            places.sort_by_key(|place| self.jobs[*place].chunk.unwrap_or(0));
            let counters = Counters::of(places.iter().map(|place| self.jobs[*place].status));
            let key = format!("Wrapper: {name}");
            reference.insert(key.clone(), counters.json(false));
            let leaves = places.iter().map(|place| self.leaf(*place)).collect();
            let title = folder_title(&key, &counters);
            folders.push(Node { data: counters.json(true), ..Node::folder(title, key, false, leaves) });
        }
        Some(Node::folder("Wrappers".to_owned(), format!("Wrappers_{}", snapshot.expid), false, folders))
    }
}

/// Places by what they have in common, in the order of their first.
fn grouped<K: Clone + Eq + std::hash::Hash>(places: &[usize], key: impl Fn(usize) -> K) -> Vec<(K, Vec<usize>)> {
    let mut found: HashMap<K, usize> = HashMap::new();
    let mut groups: Vec<(K, Vec<usize>)> = Vec::new();
    for place in places {
        let key = key(*place);
        let group = *found.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(*place);
    }
    groups
}

/// What `pkltreeinfo` and `pklinfo` say of each job: what changes while an experiment runs.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Changing<'a> {
    pub name: &'a str,
    pub rm_id: Option<i64>,
    pub status_code: i64,
    #[serde(rename = "SYPD")]
    pub sypd: Option<f64>,
    pub minutes: i64,
    pub minutes_queue: i64,
    pub submit: Option<String>,
    pub start: Option<String>,
    pub finish: Option<String>,
    pub running_text: String,
    pub status: &'static str,
    pub status_color: &'static str,
    pub out: Option<String>,
    pub err: Option<String>,
    pub priority: Option<i64>,
    pub workflow_commit: Option<&'a str>,
}

/// What changes of one job.
pub fn changing<'a>(facts: &'a Facts<'a>, place: usize) -> Changing<'a> {
    let (job, times) = (&facts.snapshot.jobs.jobs()[place], &facts.times[place]);
    let [submit, start, finish] = facts.instants(place);
    let [out, err] = facts.logs(place);
    Changing {
        name: &job.name,
        rm_id: job.id,
        status_code: job.status.code(),
        sypd: facts.sypd(place, facts.run_length(job).as_ref()).0,
        minutes: times.run,
        minutes_queue: times.queue,
        submit,
        start,
        finish,
        running_text: times.text(job.status),
        status: job.status.name(),
        status_color: job.status.color(),
        out,
        err,
        priority: job.priority,
        workflow_commit: times.workflow_commit.as_deref(),
    }
}

/// The same with what trees show besides.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct ChangingInTree<'a> {
    #[serde(flatten)]
    pub changing: Changing<'a>,
    pub wrapper: Option<&'a str>,
    pub wrapper_tag: Option<String>,
    pub wrapper_id: Option<&'a str>,
    pub title: &'a str,
}

/// What changes of one job in trees.
pub fn changing_in_tree<'a>(facts: &'a Facts<'a>, place: usize, title: &'a str) -> ChangingInTree<'a> {
    let wrapper = facts.package(place);
    ChangingInTree {
        changing: changing(facts, place),
        wrapper,
        wrapper_tag: wrapper.map(wrapper_tag),
        wrapper_id: wrapper.and_then(package_code),
        title,
    }
}
