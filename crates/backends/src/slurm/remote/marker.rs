//! The mark by which a run is found again in a cluster: where it is put, and how it is kept out of sight.

use jobgate_slurm::objects::{Job, JobDesc};

/// How every mark begins.
const BEGIN: &str = "jobgate-";

/// Puts the mark where it disturbs nobody: in the comment, if that is free, or in the other free text; else behind the comment.
pub(super) fn put(desc: &mut JobDesc, marker: &str) {
    let is_free = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    if is_free(&desc.comment) {
        desc.comment = Some(marker.to_owned());
    } else if is_free(&desc.extra) {
        desc.extra = Some(marker.to_owned());
    } else if let Some(comment) = &mut desc.comment {
        *comment = format!("{comment} {marker}");
    }
}

/// Whether a job carries this mark.
pub(super) fn is_on(job: &Job, marker: &str) -> bool {
    carries([&job.comment, &job.extra], marker)
}

/// Whether one of these texts ends in this mark.
pub(super) fn carries(texts: [&Option<String>; 2], marker: &str) -> bool {
    !marker.is_empty() && texts.into_iter().flatten().any(|text| last_word(text) == marker)
}

/// Whether a job carries a mark, and not this one.
pub(super) fn is_anothers(job: &Job, marker: &str) -> bool {
    carries_anothers([&job.comment, &job.extra], marker)
}

/// Whether one of these texts ends in a mark, and not in this one.
pub(super) fn carries_anothers(texts: [&Option<String>; 2], marker: &str) -> bool {
    let mut words = texts.into_iter().flatten().map(|text| last_word(text));
    words.any(|word| word != marker && is_marker(word))
}

/// Takes a mark away, so that who looks at a job sees what was asked for.
pub(super) fn hide(job: &mut Job) {
    for text in [&mut job.comment, &mut job.extra].into_iter().flatten() {
        if is_marker(last_word(text)) {
            let rest = text.len() - last_word(text).len();
            text.truncate(rest);
            if text.ends_with(' ') {
                text.pop();
            }
        }
    }
}

fn last_word(text: &str) -> &str {
    text.rsplit(' ').next().unwrap_or_default()
}

/// `jobgate-1796004300.261-0a1b2c3d-1`: a job's id, eight digits by chance, the run's number.
fn is_marker(word: &str) -> bool {
    let Some(rest) = word.strip_prefix(BEGIN) else { return false };
    let parts: Vec<&str> = rest.split('-').collect();
    let [jobid, chance, jobndx] = parts[..] else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    jobid.split_once('.').is_some_and(|(seconds, rest)| digits(seconds) && digits(rest))
        && chance.len() == 8
        && chance.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits(jobndx)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "jobgate-1796004300.261-0a1b2c3d-1";

    fn marked(comment: Option<&str>, extra: Option<&str>) -> (JobDesc, Job) {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let mut desc = JobDesc { comment: text(comment), extra: text(extra), ..JobDesc::default() };
        put(&mut desc, MARK);
        let job = Job { comment: desc.comment.clone(), extra: desc.extra.clone(), ..Job::default() };
        assert!(is_on(&job, MARK) && !is_on(&job, "jobgate-1796004300.261-0a1b2c3d-2"));
        assert!(!is_anothers(&job, MARK) && is_anothers(&job, "jobgate-1796004300.261-0a1b2c3d-2"));
        (desc, job)
    }

    #[test]
    fn what_was_asked_for_is_shown() {
        for (comment, extra) in [
            (None, None),
            (Some("mine"), None),
            (None, Some("{}")),
            (Some("two words"), Some("more")),
            (Some(""), None),
        ] {
            let (desc, mut job) = marked(comment, extra);
            assert!(
                desc.comment.as_deref() == Some(MARK) || desc.comment.as_deref().unwrap().starts_with(comment.unwrap())
            );
            hide(&mut job);
            let shown = |text: &Option<String>| text.clone().unwrap_or_default();
            assert_eq!(
                (shown(&job.comment).as_str(), shown(&job.extra).as_str()),
                (comment.unwrap_or(""), extra.unwrap_or(""))
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_stays() {
        for text in ["jobgate-", "jobgate-1-2-3", "jobgate-1.5-0a1b2c3-1", "my jobgate-1.5-0a1b2c3d-x", "see jobgate"] {
            let mut job = Job { comment: Some(text.into()), ..Job::default() };
            hide(&mut job);
            assert_eq!(job.comment.as_deref(), Some(text));
        }
    }
}
