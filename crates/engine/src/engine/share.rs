//! Sharing jobs with other users.

use jobgate_model::{Access, Error, Principal, is_user_name};

use super::{Engine, policy};
use crate::store::shares;
use crate::types::{JobKey, Need, Share};

impl Engine {
    /// Shares a job with a user, or changes how it is shared. Only its owner, or an administrator, may.
    pub fn share(&self, who: &Principal, key: JobKey, user: &str, access: Access) -> Result<(), Error> {
        let record = self.admitted(who, Need::Own, key)?;
        if !is_user_name(user) {
            return Err(Error::invalid(format!(
                "{user:?} is no user's name: it is empty, too long, or has a space or one of : / , \" \\"
            )));
        }
        if record.job.owner == user {
            return Err(Error::invalid(format!("job {} is {user}'s own", record.job.jobid)));
        }
        let share = Share { user: user.to_owned(), access, by: who.name.clone(), created: self.now() };
        if self.store.update(move |connection| shares::share(connection, key, &share))? {
            Ok(())
        } else {
            Err(policy::missing())
        }
    }

    /// Ends the sharing of a job with a user. Its owner and administrators may, and that user itself.
    pub fn unshare(&self, who: &Principal, key: JobKey, user: &str) -> Result<(), Error> {
        let need = if who.name == user { Need::Read } else { Need::Own };
        let record = self.admitted(who, need, key)?;
        let name = user.to_owned();
        if self.store.update(move |connection| shares::unshare(connection, key, &name))? {
            Ok(())
        } else {
            Err(Error::not_found(format!("job {} is not shared with {user:?}", record.job.jobid)))
        }
    }

    /// With whom a job is shared, by name. Whom it is shared with sees that, and not with whom else.
    pub fn shares(&self, who: &Principal, key: JobKey) -> Result<Vec<Share>, Error> {
        let record = self.admitted(who, Need::Read, key)?;
        let mut shares = self.store.read(|connection| shares::of_job(connection, key))?;
        if !policy::is_its(who, &record) {
            shares.retain(|share| share.user == who.name);
        }
        Ok(shares)
    }
}
