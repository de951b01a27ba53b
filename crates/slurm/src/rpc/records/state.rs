//! States of jobs.

use crate::rpc::codec::{FewBits, Malformed, Reader, Wire, Writer, layout};

layout! {
    /// The state of a job, or of the tasks of an array that are alike.
    State<'a> {
        job: u32;
        part: Part<'a>;
        is: u32;
    }
}

/// What a job is part of.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rpc) enum Part<'a> {
    /// An array: its number, the task's number, and tasks that wait together.
    Array { id: u32, task: u32, tasks: FewBits<'a> },
    /// A heterogeneous job, or nothing (0).
    Whole { het_job: u32 },
}

impl Default for Part<'_> {
    fn default() -> Self {
        Self::Whole { het_job: 0 }
    }
}

impl<'a> Wire<'a> for Part<'a> {
    const LEAST: usize = 8;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        match from.u32()? {
            0 => Ok(Self::Whole { het_job: from.u32()? }),
            id => Ok(Self::Array { id, task: from.u32()?, tasks: FewBits::read(from)? }),
        }
    }

    fn write(&self, to: &mut Writer) {
        match self {
            Self::Whole { het_job } => {
                to.u32(0);
                to.u32(*het_job);
            }
            Self::Array { id, task, tasks } => {
                to.u32(*id);
                to.u32(*task);
                tasks.write(to);
            }
        }
    }
}
