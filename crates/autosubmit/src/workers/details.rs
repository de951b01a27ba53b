//! Details of experiments, from their folders and configurations.

use jiff::tz::Offset;

use crate::config::Configuration;
use crate::databases::catalogue::Details;
use crate::databases::written::DetailsRow;
use crate::texts;

/// Whose an experiment's folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The login
    pub name: String,
    /// When the folder was changed last (`ctime`), seconds since 1970, which the original takes for when it was made
    pub changed: i64,
}

/// The row of an experiment.
pub fn details(id: i64, configuration: &Configuration, owner: &Owner, zone: Offset) -> DetailsRow {
    let (model, branch) = configuration.model();
    DetailsRow {
        id,
        user: owner.name.clone(),
        created: texts::instant(owner.changed, zone).unwrap_or_default(),
        model,
        branch,
        hpc: configuration.main_platform().unwrap_or_default(),
    }
}

/// Whether the table says the same already.
pub(super) fn is_same(known: &Details, row: &DetailsRow) -> bool {
    let known = [&known.user, &known.created, &known.model, &known.branch, &known.hpc];
    let new = [&row.user, &row.created, &row.model, &row.branch, &row.hpc];
    known.into_iter().zip(new).all(|(known, new)| known.as_deref() == Some(new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn the_row_says_what_the_folder_and_the_configuration_say() {
        let yaml = "DEFAULT: {HPCARCH: mn5}\nPROJECT: {PROJECT_TYPE: git}\nGIT: {PROJECT_ORIGIN: o, PROJECT_BRANCH: b}";
        let configuration = Configuration::Yaml(yaml::parse(yaml).unwrap().as_object().unwrap().clone());
        let owner = Owner { name: "ann".into(), changed: 1_781_524_800 };
        let row = details(7, &configuration, &owner, Offset::UTC);
        let texts = [&row.user, &row.created, &row.model, &row.branch, &row.hpc].map(String::as_str);
        assert_eq!((row.id, texts), (7, ["ann", "2026-06-15T12:00:00+00:00", "o", "b", "MN5"]));
        let mut known = Details {
            user: Some(row.user.clone()),
            created: Some(row.created.clone()),
            model: Some("o".into()),
            branch: Some("b".into()),
            hpc: Some("MN5".into()),
        };
        assert!(is_same(&known, &row));
        known.hpc = None;
        assert!(!is_same(&known, &row));
    }
}
