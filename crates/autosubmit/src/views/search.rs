//! Which experiments there are: filters and orders of the listings.

use std::cmp::Ordering;

use crate::databases::catalogue::{Catalogue, Experiment, Statuses};

/// What an expid's first letter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `t`
    Test,
    /// `o`
    Operational,
    /// Any other
    Experiment,
}

/// By what a listing is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderBy {
    /// The expid
    Expid,
    /// When it was made, as text
    Created,
    /// The description
    Description,
}

/// Which experiments are asked for; what is not said filters nothing.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// A text that expid, description or owner hold; `%` and `_` in it stand for any text and any letter
    pub text: Option<&'a str>,
    /// Only those that run
    pub only_active: bool,
    /// Owner: `*` stands for any text, a leading `!` for all others
    pub owner: Option<&'a str>,
    /// Kind of the experiment
    pub kind: Option<Kind>,
    /// Version of Autosubmit, like the owner
    pub version: Option<&'a str>,
    /// Main platform, like the owner
    pub hpc: Option<&'a str>,
}

/// The experiments that pass a filter, in the order of the database or in another.
pub fn search<'a>(
    catalogue: &'a Catalogue,
    statuses: &Statuses,
    filter: &Filter<'_>,
    order: Option<(OrderBy, bool)>,
) -> Vec<&'a Experiment> {
    let mut found: Vec<_> =
        catalogue.experiments().iter().filter(|experiment| passes(experiment, statuses, filter)).collect();
    if let Some((by, descending)) = order {
        found.sort_by(|one, other| {
            let ordering = compare(one, other, by);
            if descending { ordering.reverse() } else { ordering }
        });
    }
    found
}

fn compare(one: &Experiment, other: &Experiment, by: OrderBy) -> Ordering {
    let created = |experiment: &Experiment| experiment.details.as_ref().and_then(|details| details.created.clone());
    match by {
        OrderBy::Expid => one.name.cmp(&other.name),
        OrderBy::Created => created(one).cmp(&created(other)),
        OrderBy::Description => one.description.cmp(&other.description),
    }
}

fn passes(experiment: &Experiment, statuses: &Statuses, filter: &Filter<'_>) -> bool {
    let details = experiment.details.as_ref();
    let user = details.and_then(|details| details.user.as_deref());
    let text = filter.text.is_none_or(|text| {
        let pattern = format!("%{text}%");
        let texts = [Some(experiment.name.as_str()), experiment.description.as_deref(), user];
        texts.into_iter().flatten().any(|text| like(text, &pattern))
    });
    let wild = |value: Option<&str>, wanted: Option<&str>| wanted.is_none_or(|wanted| wildcard(value, wanted));
    text && (!filter.only_active || statuses.get(experiment.id) == Some("RUNNING"))
        && filter.kind.is_none_or(|kind| kind == kind_of(&experiment.name))
        && wild(user, filter.owner)
        && wild(experiment.version.as_deref(), filter.version)
        && wild(details.and_then(|details| details.hpc.as_deref()), filter.hpc)
}

fn kind_of(name: &str) -> Kind {
    match name.as_bytes().first().map(u8::to_ascii_lowercase) {
        Some(b't') => Kind::Test,
        Some(b'o') => Kind::Operational,
        _ => Kind::Experiment,
    }
}

/// `*` is any text, a leading `!` negates; what is not known passes neither way.
fn wildcard(value: Option<&str>, wanted: &str) -> bool {
    let Some(value) = value else { return false };
    let (wanted, negated) = wanted.strip_prefix('!').map_or((wanted, false), |wanted| (wanted, true));
    like(value, &wanted.replace('*', "%")) != negated
}

/// SQLite's `LIKE`: `%` is any text, `_` any letter, ASCII letters of both cases are equal.
pub fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut in_pattern) = (0, 0);
    // where to go on when what followed the last `%` does not fit
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('%') => {
                in_pattern += 1;
                retry = Some((at + 1, in_pattern));
            }
            Some(wanted) if *wanted == '_' || wanted.eq_ignore_ascii_case(&text[at]) => {
                at += 1;
                in_pattern += 1;
            }
            _ => match retry {
                Some((next, after)) => {
                    (at, in_pattern) = (next, after);
                    retry = Some((next + 1, after));
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|rest| *rest == '%')
}

/// The filter of jobs by name: `!` in front negates, `*` is any text, and it may stand anywhere in the name, in either case.
pub fn job_name_fits(name: &str, wanted: &str) -> bool {
    let (wanted, negated) = wanted.strip_prefix('!').map_or((wanted, false), |wanted| (wanted, true));
    let (name, wanted) = (name.to_lowercase(), wanted.to_lowercase());
    let mut rest = name.as_str();
    let fits = wanted.split('*').all(|part| match rest.find(part) {
        Some(place) => {
            rest = &rest[place + part.len()..];
            true
        }
        None => false,
    });
    fits != negated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::catalogue::Details;

    #[test]
    fn like_is_sqlites() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let texts = ["", "a", "A000", "a_00", "a%", "Ä", "mare nostrum", "aaab"];
        let patterns = ["", "%", "a%", "_", "%0%", "A___", "%a%b", "a\\%", "ä", "%%", "%nost%um", "_a%b", "mare"];
        for text in texts {
            for pattern in patterns {
                let expected: bool =
                    connection.query_row("SELECT ?1 LIKE ?2", [text, pattern], |row| row.get(0)).unwrap();
                assert_eq!(like(text, pattern), expected, "{text} {pattern}");
            }
        }
    }

    #[test]
    fn filters_are_those_of_the_listing() {
        let experiment = |id, name: &str, user: &str, hpc: &str| Experiment {
            id,
            name: name.into(),
            description: Some(format!("about {name}")),
            version: Some("4.1.17".into()),
            details: Some(Details { user: Some(user.into()), hpc: Some(hpc.into()), ..Details::default() }),
        };
        let mut unknown = experiment(4, "a009", "", "");
        unknown.details = None;
        let catalogue: Catalogue = [
            experiment(1, "a000", "root", "LOCAL"),
            experiment(2, "t001", "alice", "MN5"),
            experiment(3, "o002", "bob", "mn5"),
            unknown,
        ]
        .into_iter()
        .collect();
        let statuses = [(2, "RUNNING"), (3, "NOT RUNNING")]
            .map(|(id, status)| (id, None, status.to_owned()))
            .into_iter()
            .collect();
        let names = |filter: Filter<'_>, order| {
            search(&catalogue, &statuses, &filter, order).iter().map(|e| e.name.clone()).collect::<Vec<_>>().join(" ")
        };
        let all = || Filter::default();
        assert_eq!(names(all(), None), "a000 t001 o002 a009");
        assert_eq!(names(all(), Some((OrderBy::Expid, true))), "t001 o002 a009 a000");
        assert_eq!(names(Filter { only_active: true, ..all() }, None), "t001");
        assert_eq!(names(Filter { text: Some("ALICE"), ..all() }, None), "t001");
        assert_eq!(names(Filter { text: Some("zz%"), ..all() }, None), "");
        assert_eq!(names(Filter { kind: Some(Kind::Experiment), ..all() }, None), "a000 a009");
        assert_eq!(names(Filter { hpc: Some("MN5"), ..all() }, None), "t001 o002");
        assert_eq!(names(Filter { hpc: Some("!mn*"), ..all() }, None), "a000");
        assert_eq!(names(Filter { owner: Some("*"), ..all() }, None), "a000 t001 o002");
        assert_eq!(names(Filter { version: Some("4.1*"), kind: Some(Kind::Operational), ..all() }, None), "o002");
    }

    #[test]
    fn names_of_jobs_fit_anywhere() {
        for (wanted, fits) in [
            ("SIM", true),
            ("!SIM", false),
            ("*_1_*sim", true),
            ("sim*1", false),
            ("%", false),
            ("_", true),
            ("", true),
        ] {
            assert_eq!(job_name_fits("a000_20000101_fc0_1_SIM", wanted), fits, "{wanted}");
        }
    }
}
