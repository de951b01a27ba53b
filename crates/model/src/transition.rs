//! Rows of a job's history, in the form of psik's `status.csv`.

use crate::{JobNdx, State};

/// One row of a job's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// When, in unix seconds (UTC).
    pub time: f64,
    /// Which run; 0 for the job itself.
    pub jobndx: JobNdx,
    /// The state reached.
    pub state: State,
    /// What else is known: the native id (`queued`), the exit code or a reason (`failed`), the frozen backend settings as
    /// JSON (`new`), otherwise empty.
    pub info: String,
}

impl Transition {
    /// The row as psik 3 writes it, with its newline: `time,jobndx,state,info`. The time is the shortest decimal that
    /// reads back as the same number. Line breaks in the info would break the file and are replaced by blanks.
    pub fn to_row(&self) -> String {
        format!("{:?},{},{},{}\n", self.time, self.jobndx, self.state.as_str(), clean_info(&self.info))
    }

    /// Reads a row without its newline. Only the first three commas separate; the info may hold commas.
    /// `None`: not a row (psik logs and skips such lines).
    pub fn from_row(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, ',');
        let time: f64 = parts.next()?.trim().parse().ok()?;
        let jobndx = parts.next()?.trim().parse().ok()?;
        let state = parts.next()?.trim().parse().ok()?;
        let info = parts.next()?.trim_end_matches('\r').to_owned();
        time.is_finite().then_some(Self { time, jobndx, state, info })
    }

    /// The info as psik 1 and 2 give it, an integer: the native id or exit code when it is one, otherwise 0
    /// (1 for a failure that is told in words, so that it does not read as success).
    pub fn info_number(&self) -> i64 {
        match self.info.trim().parse() {
            Ok(number) => number,
            Err(_) if self.state == State::Failed && !self.info.is_empty() => 1,
            Err(_) => 0,
        }
    }
}

/// An info text that fits on one line: line breaks and NUL become blanks.
pub fn clean_info(info: &str) -> String {
    info.replace(['\n', '\r', '\0'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_as_psik_writes_them() {
        let row = Transition { time: 1_795_313_532.254_796_7, jobndx: 0, state: State::New, info: "{}".into() };
        assert_eq!(row.to_row(), "1795313532.2547967,0,new,{}\n");
        let whole = Transition { time: 5.0, jobndx: 1, state: State::Active, info: String::new() };
        assert_eq!(whole.to_row(), "5.0,1,active,\n");
        let commas = Transition::from_row("1.5,3,completed,a, b").unwrap();
        assert_eq!((commas.jobndx, commas.info.as_str()), (3, "a, b"));
        for bad in ["", "garbage", "1,2,3", "1,2,new", "x,1,new,", "1,x,new,", "1,1,gone,", "nan,1,new,", "inf,1,new,"]
        {
            assert_eq!(Transition::from_row(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_for_the_older_dialects() {
        let of = |state, info: &str| Transition { time: 0.0, jobndx: 1, state, info: info.into() }.info_number();
        assert_eq!(of(State::Queued, "4711"), 4711);
        assert_eq!(of(State::Failed, "3"), 3);
        assert_eq!(of(State::Failed, "-9"), -9);
        assert_eq!(of(State::Failed, "lost: the machine was restarted"), 1);
        assert_eq!(of(State::New, "{}"), 0);
        assert_eq!(of(State::Completed, ""), 0);
    }

    proptest! {
        #[test]
        fn rows_round_trip(time in 0.0f64..4e9, jobndx in -5i64..1000, state in 0i64..6, info in "\\PC{0,40}") {
            let row = Transition { time, jobndx, state: State::from_code(state).unwrap(), info: clean_info(&info) };
            let text = row.to_row();
            prop_assert_eq!(text.matches('\n').count(), 1);
            let read = Transition::from_row(text.trim_end_matches('\n')).unwrap();
            prop_assert_eq!(read, row);
        }
    }
}
