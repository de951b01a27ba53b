//! A list of lists: what became of each job, and of each of its array's tasks.

use serde_json::{Value, json};

use super::desc::JobArrayResponseMsgEntry;
use crate::table::{Kind, Reader, Schemas, Writer};

/// What became of the tasks of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobArrayResponseArray(pub Vec<JobArrayResponseMsgEntry>);

impl Kind for JobArrayResponseArray {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn write_absent(out: &mut Writer) {
        out.raw("[]");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        Kind::read(value, at).map(Self)
    }

    fn schema(all: &mut Schemas) -> Value {
        let mut schema = all.named("job_array_response_array", Vec::<JobArrayResponseMsgEntry>::schema);
        schema["description"] = json!("What became of the job's tasks");
        schema
    }
}
