//! The audit log: who did what, in lines that nobody can change unnoticed.
//!
//! A line is a JSON object. It has its own number (`seq`) and the SHA-256 of the line before (`prev`), so a line that was
//! changed, taken out or moved breaks the chain at that place. The chain goes on over restarts, over all processes that write
//! (server and command line) and over rotation: a new file begins with a line whose `prev` is the last line of the old one.
//!
//! What the chain cannot show by itself is that lines are missing at its end. Beside the log there is its head (`FILE.head`):
//! number and hash of the last line, and the size of the file. The head is also what processes lock while they write, and
//! from where the chain goes on when the log was moved away. Whoever can write both files can make a new chain; whoever keeps
//! a copy of the head elsewhere notices that.

mod event;
mod line;
mod log;
mod mend;
mod verify;

pub use event::{Actor, Entry, Event, Outcome};
pub use line::{Line, ago, fingerprint};
pub use log::Log;
pub use verify::{Fault, Report, Why, lines, verify};

#[cfg(test)]
mod tests;
