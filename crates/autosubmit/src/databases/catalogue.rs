//! The main database and the one beside it: which experiments there are, whose they are, and which run.

use std::collections::{BTreeMap, HashMap};

use super::{Column, Database, DatabaseError, Source, integer, text};

/// An experiment as the main database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Its number
    pub id: i64,
    /// Its expid
    pub name: String,
    /// What its owner says about it
    pub description: Option<String>,
    /// The version of Autosubmit that last ran it
    pub version: Option<String>,
    /// What the table of details says
    pub details: Option<Details>,
}

impl Experiment {
    fn size(&self) -> usize {
        let details = self
            .details
            .iter()
            .flat_map(|details| [&details.user, &details.created, &details.model, &details.branch, &details.hpc]);
        let texts = details.chain([&self.description, &self.version]).flatten().map(|text| text.len() + 16);
        size_of::<Self>() + 200 + 2 * self.name.len() + texts.sum::<usize>()
    }
}

/// What is known about an experiment besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Its owner's login
    pub user: Option<String>,
    /// When it was made, in the form of whoever wrote it
    pub created: Option<String>,
    /// Where its model comes from
    pub model: Option<String>,
    /// Which branch of it
    pub branch: Option<String>,
    /// Its main platform
    pub hpc: Option<String>,
}

/// All experiments, in the order of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    experiments: Vec<Experiment>,
    places: HashMap<String, usize>,
}

impl Catalogue {
    /// Reads the main database. The table of details may be missing.
    pub fn read<'a>(source: impl Into<Source<'a>>) -> Result<Self, DatabaseError> {
        let database = Database::open(source)?;
        let mut details = details(&database)?;
        let columns = ["id", "name"].map(Column::Needed).into_iter();
        let columns: Vec<_> = columns.chain(["description", "autosubmit_version"].map(Column::Optional)).collect();
        let rows = database.read("experiment", &columns, "ORDER BY id", &[], |row| {
            Some((integer(row, 0)?, text(row, 1)?, text(row, 2), text(row, 3)))
        })?;
        let experiments = rows.into_iter().flatten().map(|(id, name, description, version)| Experiment {
            details: details.remove(&id),
            id,
            name,
            description,
            version,
        });
        Ok(experiments.collect())
    }

    /// The experiment with this expid; of several the first.
    pub fn get(&self, name: &str) -> Option<&Experiment> {
        self.places.get(name).map(|place| &self.experiments[*place])
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.experiments.iter().map(Experiment::size).sum()
    }

    /// All of them.
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }
}

impl FromIterator<Experiment> for Catalogue {
    fn from_iter<I: IntoIterator<Item = Experiment>>(experiments: I) -> Self {
        let experiments: Vec<_> = experiments.into_iter().collect();
        let mut places = HashMap::new();
        for (place, experiment) in experiments.iter().enumerate() {
            places.entry(experiment.name.clone()).or_insert(place);
        }
        Self { experiments, places }
    }
}

/// The states of experiments: `RUNNING` or `NOT RUNNING`. Listings look for them by number, views of one experiment by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statuses {
    by_number: BTreeMap<i64, String>,
    by_name: HashMap<String, String>,
}

impl Statuses {
    /// The state of the experiment with this number.
    pub fn get(&self, number: i64) -> Option<&str> {
        self.by_number.get(&number).map(String::as_str)
    }

    /// The state of the experiment with this expid; of several the first.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    /// About how many bytes they take in memory.
    pub fn size(&self) -> usize {
        let numbered = self.by_number.values().map(|status| status.len() + 80);
        let named = self.by_name.iter().map(|(name, status)| name.len() + status.len() + 100);
        numbered.chain(named).sum()
    }

    /// All states, by number.
    pub fn numbered(&self) -> &BTreeMap<i64, String> {
        &self.by_number
    }
}

/// Of number, expid and state.
impl FromIterator<(i64, Option<String>, String)> for Statuses {
    fn from_iter<I: IntoIterator<Item = (i64, Option<String>, String)>>(rows: I) -> Self {
        let mut statuses = Self::default();
        for (number, name, status) in rows {
            if let Some(name) = name {
                statuses.by_name.entry(name).or_insert_with(|| status.clone());
            }
            statuses.by_number.insert(number, status);
        }
        statuses
    }
}

/// The states of experiments. A file without the table says nothing about any.
pub fn statuses<'a>(source: impl Into<Source<'a>>) -> Result<Statuses, DatabaseError> {
    let database = Database::open(source)?;
    let columns = [Column::Needed("exp_id"), Column::Optional("name"), Column::Needed("status")];
    let rows = database.read_if_there("experiment_status", &columns, "", &[], |row| {
        Some((integer(row, 0)?, text(row, 1), text(row, 2)?))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// By the experiment's number; where the table has several rows for one, the last.
fn details(database: &Database<'_>) -> Result<HashMap<i64, Details>, DatabaseError> {
    let optional = ["user", "created", "model", "branch", "hpc"].map(Column::Optional);
    let columns: Vec<_> = std::iter::once(Column::Needed("exp_id")).chain(optional).collect();
    let rows = database.read_if_there("details", &columns, "ORDER BY rowid", &[], |row| {
        let [user, created, model, branch, hpc] = [1, 2, 3, 4, 5].map(|column| text(row, column));
        Some((integer(row, 0)?, Details { user, created, model, branch, hpc }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}
