//! What the accounting books say when a run is queued: under which account and with which quality of service it runs, and whether
//! it may. Only where that is enforced.

use jobgate_model::{Error, ErrorKind, StringMap};
use jobgate_slurm::books::{Admission, Asked, Enforce, Scope, Usage};
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;

use super::{Answer, Pass};
use crate::local::books::Founding;
use crate::local::cluster::UNLIMITED;
use crate::local::need::{Memory, Need};
use crate::local::queue::{self, NewRun, Population};
use crate::local::request::{effective_priority, said};

impl Pass<'_> {
    /// Gives a run the account and the quality of service that the books have for it, or says why it may not run.
    pub(super) fn admit_by_books(&self, run: &mut NewRun) -> Answer<()> {
        let enforce = self.stock.enforce();
        if enforce == Enforce::default() {
            return Ok(Ok(()));
        }
        let founding = Founding::of(self.settings);
        let books = match self.stock.books.newest(self.tx, &founding) {
            Ok((_, books)) => books,
            Err(error) => return Ok(Err(refusal(Fault::from(error)))),
        };
        let options: StringMap = serde_json::from_str(&run.options).unwrap_or_default();
        let request = &mut run.request;
        let asked = Asked {
            user: self.settings.bookkeeping.login_of(&run.owner),
            account: request.account.as_deref(),
            partition: request.partitions.first().map_or_else(|| self.inventory.default_partition(), String::as_str),
            qos: said(&options, "qos"),
            wckey: said(&options, "wckey"),
        };
        let admission = match books.admit(&asked, enforce) {
            Ok(admission) => admission,
            Err(fault) => return Ok(Err(refusal(fault))),
        };
        let minutes = u64::try_from(request.minutes).ok().filter(|_| request.minutes < UNLIMITED);
        let tres = amounts(&request.need);
        let nodes = request.need.min_nodes;
        if let Some(fault) = admission.too_large(minutes, &tres, nodes) {
            return Ok(Err(refusal(fault)));
        }
        if let Some(fault) = admission.too_many(1, |scope| self.usage(scope))? {
            return Ok(Err(refusal(fault)));
        }
        let Admission { account, qos, .. } = admission;
        request.account = Some(account).filter(|name| !name.is_empty());
        request.qos = Some(qos).filter(|name| !name.is_empty()).or_else(|| request.qos.take());
        request.priority = effective_priority(request, &self.inventory);
        Ok(Ok(()))
    }

    /// How many runs of a scope have not ended.
    fn usage(&self, scope: &Scope) -> rusqlite::Result<Usage> {
        let mut of = Population::default();
        match scope {
            Scope::Association(account, user, partition) => {
                of.accounts = vec![account.clone()];
                of.user = Some(user.clone());
                let is_default = partition == self.inventory.default_partition();
                of.partition = Some((partition.clone(), is_default)).filter(|(name, _)| !name.is_empty());
            }
            Scope::Accounts(accounts) => of.accounts.clone_from(accounts),
            Scope::Qos(qos) => of.qos = Some(qos.clone()),
            Scope::QosUser(qos, user) => {
                of.qos = Some(qos.clone());
                of.user = Some(user.clone());
            }
            Scope::QosAccount(qos, account) => {
                of.qos = Some(qos.clone());
                of.accounts = vec![account.clone()];
            }
        }
        of.with_local_owners = of.user.as_ref() == Some(&self.settings.bookkeeping.login);
        let (submitted, running) = queue::population_of(self.tx, &of)?;
        Ok(Usage { running, submitted })
    }
}

fn refusal(fault: Fault) -> Error {
    let kind = match fault.errno {
        Errno::ACCOUNTING_POLICY => ErrorKind::Exhausted,
        Errno::DB_CONNECTION | Errno::GENERAL => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, fault.description.into_owned()).numbered(fault.errno.0)
}

/// What a run asks for, in the books' terms.
fn amounts(need: &Need) -> Vec<(&'static str, u64)> {
    let memory = match need.memory {
        Memory::Unsaid | Memory::AllOfNode => 0,
        Memory::PerNode(bytes) => bytes.saturating_mul(need.min_nodes),
        Memory::PerCore(bytes) => bytes.saturating_mul(need.cores()),
    };
    vec![
        ("cpu", need.cores()),
        ("mem", memory.div_ceil(1 << 20)),
        ("node", need.min_nodes),
        ("billing", need.cores()),
        ("gres/gpu", need.gpus()),
    ]
}
