//! What came of signals.

use crate::errno::Errno;
use crate::objects::KillJobsRespJob;
use crate::rpc::codec::{NO_VAL, num32, runs_text};
use crate::rpc::records;

/// What came of a signal for a job, as the API shows it.
pub(in crate::rpc) fn killed(record: &records::Killed<'_>) -> KillJobsRespJob {
    let errno = Errno(record.error.cast_signed());
    KillJobsRespJob {
        error_string: Some(errno.text().to_owned()),
        error_code: Some(errno.0),
        error_message: record.message.string(),
        step_id: Some(selected(record)),
        job_id: Some(num32(record.job)),
        federation_sibling: record.sibling.string(),
    }
}

/// A job, task or step as it was named: `7`, `7_3`, `7_[1-5]`, `7+1`, `7.batch`.
fn selected(record: &records::Killed<'_>) -> String {
    if record.step.job == NO_VAL {
        return String::new();
    }
    let mut text = record.step.job.to_string();
    let tasks = record.tasks.places().unwrap_or_default().runs();
    if !tasks.is_empty() {
        return format!("{text}_[{}]", runs_text(&tasks));
    }
    for (mark, number) in [('_', record.array_task), ('+', record.het_offset)] {
        if number != NO_VAL {
            text.push(mark);
            text.push_str(&number.to_string());
        }
    }
    if record.step.step != NO_VAL {
        text.push('.');
        text.push_str(&super::job::step_name(record.step.step));
        if record.step.component != NO_VAL {
            text.push('+');
            text.push_str(&record.step.component.to_string());
        }
    }
    text
}
