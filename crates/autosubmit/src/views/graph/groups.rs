//! Groups of nodes: by state, or by date and member.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::GraphError;
use crate::status::JobStatus;
use crate::views::facts::Facts;
use crate::views::tree::date_form;

/// By what nodes are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Not at all
    None,
    /// By state
    Status,
    /// By date and member
    DateMember,
}

/// States from the one that colours a group first.
const WORST: [JobStatus; 6] = [
    JobStatus::Failed,
    JobStatus::Running,
    JobStatus::Suspended,
    JobStatus::Submitted,
    JobStatus::Queuing,
    JobStatus::Completed,
];

/// Two groups are kept so far from each other.
const DISTANCE: i64 = 250;

struct Group {
    name: String,
    status: JobStatus,
    x: i64,
    y: i64,
}

pub(super) fn groups(
    facts: &Facts<'_>,
    places: &[(i64, i64)],
    grouping: Grouping,
) -> Result<(Vec<String>, Map<String, Value>), GraphError> {
    match grouping {
        Grouping::None => Ok((Vec::new(), Map::new())),
        Grouping::Status => {
            let states = [JobStatus::Waiting, JobStatus::Completed, JobStatus::Suspended];
            let data =
                states.iter().map(|status| (status.name().to_owned(), json!({"color": status.color()}))).collect();
            Ok((states.iter().map(|status| status.name().to_owned()).collect(), data))
        }
        Grouping::DateMember => by_date_and_member(facts, places),
    }
}

fn by_date_and_member(
    facts: &Facts<'_>,
    places: &[(i64, i64)],
) -> Result<(Vec<String>, Map<String, Value>), GraphError> {
    let jobs = facts.snapshot.jobs.jobs();
    let form = date_form(jobs.iter().filter_map(|job| job.date));
    let dates: BTreeSet<String> =
        jobs.iter().filter_map(|job| job.date).map(|date| date.strftime(form).to_string()).collect();
    let members: BTreeSet<&str> = jobs.iter().filter_map(|job| job.member.as_deref()).collect();
    if dates.is_empty() || members.is_empty() {
        return Err(GraphError::NoGroups { dates: dates.len(), members: members.len() });
    }
    let mut groups = Vec::new();
    for date in &dates {
        for member in &members {
            let name = format!("{}_{date}_{member}_", facts.snapshot.expid);
            let inside: Vec<usize> = (0..jobs.len()).filter(|place| jobs[*place].name.starts_with(&name)).collect();
            let count = inside.len() as f64;
            if inside.is_empty() {
                return Err(GraphError::EmptyGroup { date: date.clone(), member: (*member).to_owned() });
            }
            let mean = |part: fn(&(i64, i64)) -> i64| {
                (inside.iter().map(|place| part(&places[*place]) as f64).sum::<f64>() / count) as i64
            };
            let worst = WORST.into_iter().find(|status| inside.iter().any(|place| jobs[*place].status == *status));
            groups.push(Group {
                name,
                status: worst.unwrap_or(JobStatus::Waiting),
                x: mean(|at| at.0),
                y: mean(|at| at.1),
            });
        }
    }
    keep_apart(&mut groups);
    let data = groups
        .iter()
        .map(|group| (group.name.clone(), json!({"color": group.status.color(), "x": group.x, "y": group.y})))
        .collect();
    Ok((groups.into_iter().map(|group| group.name).collect(), data))
}

/// Moves each group away from the last one before it that stands too near. Where they stood decides, not where they were moved.
fn keep_apart(groups: &mut [Group]) {
    groups.sort_by_key(|group| group.y);
    for place in (1..groups.len()).rev() {
        let (before, group) = groups.split_at_mut(place);
        let group = &mut group[0];
        let near = |other: &&Group| (other.x - group.x).abs() < DISTANCE && group.y - other.y < DISTANCE;
        if let Some(y) = before.iter().rev().find(near).map(|other| other.y) {
            group.y = if y == group.y { y - DISTANCE } else { y + DISTANCE };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_kept_apart_by_where_they_stood() {
        // as the original moves them
        for (places, moved) in [
            (vec![(420, -42), (290, -29), (165, -16), (60, -6)], vec![-42, 208, 221, 234]),
            (vec![(846, -108), (630, -180), (2092, -135)], vec![-180, -135, 70]),
            (vec![(0, 0), (100, 0)], vec![0, -250]),
            (vec![(0, 0), (250, 0), (0, 250)], vec![0, 0, 250]),
        ] {
            let group = |(x, y)| Group { name: String::new(), status: JobStatus::Waiting, x, y };
            let mut groups: Vec<Group> = places.into_iter().map(group).collect();
            keep_apart(&mut groups);
            assert_eq!(groups.iter().map(|group| group.y).collect::<Vec<_>>(), moved);
        }
    }
}
